import { env, exports } from "cloudflare:workers";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import type { Blocks } from "../../src/blocks.ts";
import { traceFrom, watch } from "../../src/call.ts";
import type { Call } from "../../src/contracts/host.ts";
import type { Listener } from "../../src/events.ts";
import { type Components, createRuntime, type Runtime } from "../../src/runtime.ts";
import { portsOf, type ServeOptions } from "../../src/serve.ts";
import { webHost } from "../../src/web.ts";

const defaults = { statestore: () => durableObjects.state({}) };

/** One per isolate. Made while the module loads, when no I/O is allowed and none is done. */
export function workerRuntime(id: string, options: ServeOptions & { components?: Components | undefined }): Runtime {
  const { components, onEvent } = options;
  return createRuntime({ id, components, defaults, onEvent, host: webHost("workers", { env, exports, ...portsOf(options) }) });
}

/** The part of Workers' execution context that is used. */
export interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** Blocks for one invocation, made when they are first asked for. */
export function lazyBlocks(
  runtime: Runtime,
  context: ExecutionContext,
  request: Request | undefined,
  onEvent: Listener | undefined,
): { readonly blocks: Blocks } {
  let blocks: Blocks | undefined;
  return {
    get blocks() {
      return (blocks ??= runtime.blocksFor(callOf(context, request, onEvent)));
    },
  };
}

function callOf(context: ExecutionContext, request: Request | undefined, onEvent: Listener | undefined): Call {
  return {
    deadline: undefined,
    waitUntil: (work) => context.waitUntil(watch(work, onEvent)),
    get signal() {
      return request?.signal;
    },
    get trace() {
      return request ? traceFrom((name) => request.headers.get(name)) : {};
    },
  };
}
