import type { Blocks } from "../../src/blocks.ts";
import type { Components } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { callOf, type ExecutionContext, workerRuntime } from "./host.ts";

export interface WithPillionOptions extends ServeOptions {
  /** Dapr's app id: part of every stored key. */
  readonly id: string;
  /** By the name that the handlers use. There are no defaults, as `serve` has them. */
  readonly components: Components;
}

/** A handler of a Worker (`fetch`, `queue`, `scheduled`, …) that takes the blocks as its last argument. */
// biome-ignore lint/suspicious/noExplicitAny: each of the platform's handlers has its own input and environment.
export type BareHandler = (input: any, env: any, context: any, blocks: Blocks) => unknown;

/** The same handlers as the platform calls them. */
export type Wrapped<H> = {
  [Name in keyof H]: H[Name] extends (
    input: infer Input,
    env: infer Env,
    context: infer Context,
    blocks: never,
  ) => infer Result
    ? (input: Input, env: Env, context: Context) => Result
    : never;
};

/**
 * Gives the building blocks to the existing handlers of a Worker without making them an app.
 * What they return or throw is passed on. Throws `ERR_CONFIGURATION` for components that cannot work.
 */
export function withPillion<H extends Readonly<Record<string, BareHandler>>>(
  handlers: H,
  options: WithPillionOptions,
): Wrapped<H> {
  const runtime = workerRuntime(options.id, options);
  const wrap =
    (handler: BareHandler) => (input: unknown, env: unknown, context: ExecutionContext) => {
      const request = input instanceof Request ? input : undefined;
      const blocks = runtime.blocksFor(callOf(context, request, runtime.onEvent));
      return handler.call(handlers, input, env, context, blocks);
    };
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [name, wrap(handler)]),
  ) as Wrapped<H>;
}
