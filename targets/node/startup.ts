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
  const ended = await Promise.allSettled(starts);
  const failed = ended.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}

/** What a timer can hold; more would fire at once. */
const LONGEST = 2_147_483_647;

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
  const timer = setTimeout(() => stop.abort(late), Math.min(initTimeout, LONGEST));
  // A component, or a secret store behind it, may not look at the signal.
  const ended = new Promise<never>((_, reject) =>
    stop.signal.addEventListener("abort", () => reject(late)),
  );
  try {
    await Promise.race([runtime.init(name, stop.signal), ended]);
  } catch (cause) {
    const text = `component ${name} (${source}) did not start: ${messageOf(cause)}`;
    const error = configurationError(text, { cause });
    if (!ignoreErrors) throw error;
    // Nobody else says that the process runs without it.
    if (!runtime.onEvent) process.emitWarning(text, "PillionWarning");
    runtime.onEvent?.({ type: "component.failed", component: name, error });
  } finally {
    clearTimeout(timer);
  }
}
