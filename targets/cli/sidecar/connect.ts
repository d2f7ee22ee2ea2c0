import type { Components, Runtime } from "../../../src/runtime.ts";
import { startUp } from "../../_process/startup.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Where the start of a component is told. */
export interface Told {
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Connects every component, as the start of a process does, and tells of each. */
export async function connectAll(
  runtime: Runtime,
  components: Components,
  { log, metrics }: Told,
): Promise<void> {
  for (const _ of Object.keys(components)) metrics.componentLoaded();
  await startUp(runtime, components, (name, { type, version = "v1" }, outcome) => {
    if (outcome.connected) {
      metrics.componentInitialized(type);
      log.write("info", `Component loaded: ${name} (${type}/${version})`);
      return;
    }
    metrics.componentFailed(name, type);
    const { message } = outcome.error;
    log.write("warning", `${message}; ignoreErrors lets the sidecar start without it`);
  });
}
