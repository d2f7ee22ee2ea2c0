import type { Component, Startup } from "../../../src/contracts/component.ts";
import { ApiError, configurationError, messageOf } from "../../../src/errors.ts";
import type { Components, Runtime } from "../../../src/runtime.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Where the start of a component is told. */
export interface Told {
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Connects every component, each within its `initTimeout`. Throws `ERR_CONFIGURATION` for the first that cannot be
 * connected and does not say `ignoreErrors`; one that does connects on its first use.
 */
export async function connectAll(
  runtime: Runtime,
  components: Components,
  told: Told,
): Promise<void> {
  await Promise.all(
    Object.entries(components).map(([name, component]) => connect(runtime, name, component, told)),
  );
}

async function connect(
  runtime: Runtime,
  name: string,
  { type, version = "v1", startup }: Component,
  { log, metrics }: Told,
): Promise<void> {
  if (!startup) return;
  metrics.componentLoaded();
  try {
    await within(startup, (signal) => runtime.init(name, signal));
  } catch (cause) {
    metrics.componentFailed(name, type);
    const text = `component ${name} (${startup.source}) did not start: ${messageOf(cause)}`;
    if (!startup.ignoreErrors) throw configurationError(text, { cause });
    return log.write("warning", `${text}; ignoreErrors lets the sidecar start without it`);
  }
  metrics.componentInitialized(type);
  log.write("info", `Component loaded: ${name} (${type}/${version})`);
}

async function within(
  { initTimeout }: Startup,
  init: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const late = new ApiError(
    "ERR_CONFIGURATION",
    `it was not connected within ${initTimeout} ms: raise initTimeout, or look after its service`,
    { kind: "unavailable" },
  );
  const timer = setTimeout(() => stop.abort(late), initTimeout);
  try {
    await init(stop.signal);
  } finally {
    clearTimeout(timer);
  }
}
