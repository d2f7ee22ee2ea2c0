import { env, exports } from "cloudflare:workers";
import { RequestCall, watch } from "../../src/call.ts";
import type { Call } from "../../src/contracts/host.ts";
import type { Listener } from "../../src/events.ts";
import { createRuntime, type Runtime, type RuntimeOptions } from "../../src/runtime.ts";
import { portsOf, type ServeOptions } from "../../src/serve.ts";
import { webHost } from "../../src/web.ts";

/** One per isolate. Made while the module loads, when no I/O is allowed and none is done. */
export function workerRuntime(
  id: string,
  options: ServeOptions,
  defaults?: RuntimeOptions["defaults"],
): Runtime {
  const { components, onEvent } = options;
  const host = webHost("workers", { env, exports, ...portsOf(options) });
  return createRuntime({ id, components, defaults, onEvent, host });
}

/** The part of Workers' execution context that is used. */
export interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

export function callOf(
  context: ExecutionContext,
  request: Request | undefined,
  onEvent: Listener | undefined,
): Call {
  return new RequestCall(request, (work) => context.waitUntil(watch(work, onEvent)));
}
