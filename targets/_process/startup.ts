import type { Component } from "../../src/contracts/component.ts";
import { ApiError, configurationError, messageOf } from "../../src/errors.ts";
import type { Components, Runtime } from "../../src/runtime.ts";

/** How connecting a component ended: connected, or not connected in a start that goes on without it. */
export type Outcome = { readonly connected: true } | { readonly connected: false; error: ApiError };

/**
 * Connects every component that asks to be connected at the start, each within its `initTimeout`, and tells of each how
 * that ended. Throws `ERR_CONFIGURATION` for the first that cannot be connected and does not say `ignoreErrors`, when
 * the others have ended.
 */
export async function startUp(
  runtime: Runtime,
  components: Components,
  tell: (name: string, component: Component, outcome: Outcome) => void,
): Promise<void> {
  const starts = Object.entries(components).map(async ([name, component]) => {
    const { startup } = component;
    if (!startup) return;
    try {
      component.attend?.(runtime, name);
      await connect(runtime, name, startup.initTimeout);
      tell(name, component, { connected: true });
    } catch (cause) {
      const text = `component ${name} (${startup.source}) did not start: ${messageOf(cause)}`;
      const error = configurationError(text, { cause });
      if (!startup.ignoreErrors) throw error;
      tell(name, component, { connected: false, error });
    }
  });
  const ended = await Promise.allSettled(starts);
  const failed = ended.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}

/** What a timer can hold; more would fire at once. */
const LONGEST_MS = 2_147_483_647;

async function connect(runtime: Runtime, name: string, initTimeout: number): Promise<void> {
  const late = new ApiError(
    "ERR_CONFIGURATION",
    `it was not connected within ${initTimeout} ms: raise initTimeout, or look after its service`,
    { kind: "unavailable" },
  );
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(late), Math.min(initTimeout, LONGEST_MS));
  // A component, or a secret store behind it, may not look at the signal.
  const ended = new Promise<never>((_, reject) =>
    stop.signal.addEventListener("abort", () => reject(late)),
  );
  try {
    await Promise.race([runtime.init(name, stop.signal), ended]);
  } finally {
    clearTimeout(timer);
  }
}
