import type { Startup } from "../../src/contracts/component.ts";
import { ApiError, configurationError, messageOf } from "../../src/errors.ts";
import type { Components, Runtime } from "../../src/runtime.ts";

/**
 * Connects every component that asks to be connected at the start. Throws `ERR_CONFIGURATION` for the first that
 * cannot be and does not say `ignoreErrors`.
 */
export async function startUp(runtime: Runtime, components: Components): Promise<void> {
  const starts = Object.entries(components).map(async ([name, { startup }]) => {
    if (startup) await connect(runtime, name, startup);
  });
  await Promise.all(starts);
}

async function connect(
  runtime: Runtime,
  name: string,
  { source, initTimeout, ignoreErrors }: Startup,
): Promise<void> {
  const late = new ApiError(
    "ERR_CONFIGURATION",
    `it was not connected within ${initTimeout} ms: raise initTimeout, or look after its service`,
    { kind: "unavailable" },
  );
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(late), initTimeout);
  try {
    await runtime.init(name, stop.signal);
  } catch (cause) {
    const text = `component ${name} (${source}) did not start: ${messageOf(cause)}`;
    const error = configurationError(text, { cause });
    if (!ignoreErrors) throw error;
    runtime.onEvent?.({ type: "component.failed", component: name, error });
  } finally {
    clearTimeout(timer);
  }
}
