import type { Blocks } from "../../src/blocks.ts";
import { configurationError } from "../../src/errors.ts";
import type { Components, Runtime } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { headerReader } from "./events.ts";
import { Invocation, type LambdaContext } from "./invocation.ts";
import { lambdaRuntime } from "./open.ts";
import { highWaterMark, streamingMark } from "./stream.ts";

export interface WithPillionOptions extends ServeOptions {
  /** Dapr's app id: part of every stored key. */
  readonly id: string;
  readonly components: Components;
}

type Bare<E, C, R> = (event: E, context: C, blocks: Blocks) => R;
type Streaming<E, S, C> = (event: E, stream: S, context: C, blocks: Blocks) => Promise<void>;

/**
 * Gives a Lambda handler the building blocks as its last argument, without making it an app: events of any
 * kind come through as they are. `waitUntil` work is awaited before the answer is given.
 * A handler that streams gets `(event, stream, context, blocks)`: mark it by `stream: true`, or with
 * `awslambda.streamifyResponse`. Handlers that answer by callback cannot be wrapped, since the blocks take
 * the callback's place, and Node 24 on Lambda has none.
 * Throws `ERR_CONFIGURATION` for components that cannot work.
 */
export function withPillion<E, S, C extends LambdaContext = LambdaContext>(
  handler: Streaming<E, S, C>,
  options: WithPillionOptions & { readonly stream: true },
): (event: E, stream: S, context: C) => Promise<void>;
export function withPillion<E, R, C extends LambdaContext = LambdaContext>(
  handler: Bare<E, C, R>,
  options: WithPillionOptions,
): (event: E, context: C) => Promise<Awaited<R>>;
export function withPillion(
  handler: (...args: never[]) => unknown,
  options: WithPillionOptions & { readonly stream?: boolean },
): (...args: never[]) => Promise<unknown> {
  const marks = handler as unknown as Partial<Record<symbol, unknown>>;
  const mark = marks[streamingMark] ?? (options.stream ? "response" : undefined);
  if (!mark && handler.length > 3) {
    throw configurationError(
      `withPillion calls handler(event, context, blocks), and was given one with ${handler.length} parameters: one that streams needs stream: true`,
    );
  }
  const invoke = invokerOf(handler as Loose, lambdaRuntime(options.id, options));
  // The runtime client refuses handlers that declare a third parameter.
  if (!mark) return (event: unknown, context: LambdaContext) => invoke(context, event, context);
  const streaming = (event: unknown, ...[stream, context]: [unknown, LambdaContext]) =>
    invoke(context, event, stream, context);
  const water = marks[highWaterMark];
  return Object.assign(
    streaming,
    { [streamingMark]: mark },
    water !== undefined && { [highWaterMark]: water },
  );
}

type Loose = (...args: unknown[]) => unknown;

function invokerOf(handler: Loose, runtime: Runtime) {
  return async (context: LambdaContext, ...args: unknown[]): Promise<unknown> => {
    const invocation = new Invocation(context, headerReader(args[0]), runtime.onEvent);
    try {
      return await handler(...args, runtime.blocksFor(invocation));
    } finally {
      await invocation.end();
    }
  };
}
