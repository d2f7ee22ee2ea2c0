import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { type App, fetchOf } from "../../src/app.ts";
import { attach } from "../../src/attach.ts";
import { answer } from "../../src/failure.ts";
import type { Runtime } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { callOf, type ExecutionContext, workerRuntime } from "./host.ts";

/** What names that nobody declared stand for. */
const defaults = { statestore: () => durableObjects.state({}) };

/** What a Worker's main module exports as default. */
export interface WorkerHandlers {
  fetch(request: Request, env: unknown, context: ExecutionContext): Promise<Response>;
  /** Consumes the queues of the app's subscriptions, if it has any. Never rejects: messages are acknowledged or asked for again one by one. */
  queue?(batch: QueueBatch, env: unknown, context: ExecutionContext): Promise<void>;
}

/** The part of Workers' message batch that is used here; the component uses the rest. */
export interface QueueBatch {
  readonly queue: string;
  retryAll(): void;
}

/**
 * The handlers of a Worker. Throws `ERR_CONFIGURATION`, while the module loads, for an app without `fetch` and
 * subscriptions, and for components and subscriptions that cannot work, so that a bad deployment is refused and not served.
 */
export function serve(app: App, options: ServeOptions = {}): WorkerHandlers {
  const { subscriptions = [] } = app;
  const fetch = fetchOf(app);
  const runtime = workerRuntime(app.id, options, defaults);
  const { onEvent } = runtime;
  const consume = subscriptions[0]?.push(runtime, subscriptions);
  return {
    fetch(request, env, context) {
      attach(context, () => runtime.blocksFor(callOf(context, request, onEvent)));
      return answer(fetch, onEvent, request, env, context);
    },
    ...(consume && {
      queue: (batch, _env, context) =>
        consume(batch, callOf(context, undefined, onEvent), () => batch.retryAll()),
    }),
  };
}

/**
 * The building blocks outside `serve`, for the handlers and Durable Objects of a Worker's own.
 * Use it inside an invocation: Workers allow no I/O elsewhere.
 */
export async function open(app: App, options: ServeOptions = {}): Promise<Runtime> {
  return workerRuntime(app.id, options, defaults);
}
