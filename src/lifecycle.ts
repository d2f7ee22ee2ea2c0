import type { Clock } from "./contracts/host.ts";
import { ApiError } from "./errors.ts";

/** Counts the calls of a runtime, so that it can end between them. */
export interface Lifecycle {
  /** Throws `ERR_RUNTIME_CLOSED` once calls are refused. */
  check(): void;
  /** Counts a call in, as `check` allows. */
  enter(): void;
  leave(): void;
  /** Refuses calls from now on; resolves once those under way have ended. */
  drained(): Promise<void>;
  /** To be called when everything is closed. */
  closed(): void;
}

type Phase =
  | { readonly is: "open" }
  | { readonly is: "closing"; readonly drained: () => void }
  | { readonly is: "closed" };

export function createLifecycle(appId: string): Lifecycle {
  let phase: Phase = { is: "open" };
  let active = 0;
  return {
    check,
    enter() {
      check();
      active++;
    },
    leave() {
      active--;
      if (active === 0 && phase.is === "closing") phase.drained();
    },
    drained: () =>
      new Promise((drained) => {
        phase = { is: "closing", drained };
        if (active === 0) drained();
      }),
    closed() {
      phase = { is: "closed" };
    },
  };

  function check(): void {
    if (phase.is === "open") return;
    throw new ApiError("ERR_RUNTIME_CLOSED", `the runtime of app ${appId} is ${phase.is}`);
  }
}

/** Waits for `work`, but no longer than `ms` where that is given, and says whether it settled. */
export async function within(
  ms: number | undefined,
  work: Promise<void>,
  clock: Clock,
): Promise<boolean> {
  const done = work.then(() => true);
  if (ms === undefined) return done;
  const settled = new AbortController();
  const late = clock.sleep(ms, settled.signal).then(
    () => false,
    () => true,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    settled.abort();
  }
}
