import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { type App, fetchOf } from "../../src/app.ts";
import { attach } from "../../src/attach.ts";
import { notBuilt } from "../../src/blocks.ts";
import { answer } from "../../src/failure.ts";
import type { Runtime } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { callOf, type ExecutionContext, workerRuntime } from "./host.ts";

/** What names that nobody declared stand for. */
const defaults = { statestore: () => durableObjects.state({}) };

/** What a Worker's main module exports as default. */
export interface WorkerHandlers {
  fetch(request: Request, env: unknown, context: ExecutionContext): Promise<Response>;
}

/**
 * The handlers of a Worker. Throws `ERR_CONFIGURATION`, while the module loads, for an app without `fetch`
 * and for components that cannot work, and `ERR_BLOCK_NOT_BUILT` for one with subscriptions, so that a bad deployment is refused and not served.
 */
export function serve(app: App, options: ServeOptions = {}): WorkerHandlers {
  if (app.subscriptions) throw notBuilt("pubsub");
  const fetch = fetchOf(app);
  const runtime = workerRuntime(app.id, options, defaults);
  return {
    fetch(request, env, context) {
      attach(context, () => runtime.blocksFor(callOf(context, request, runtime.onEvent)));
      return answer(fetch, runtime.onEvent, request, env, context);
    },
  };
}

/**
 * The building blocks outside `serve`, for the handlers and Durable Objects of a Worker's own.
 * Use it inside an invocation: Workers allow no I/O elsewhere.
 */
export async function open(app: App, options: ServeOptions = {}): Promise<Runtime> {
  return workerRuntime(app.id, options, defaults);
}
