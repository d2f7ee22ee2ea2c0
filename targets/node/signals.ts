type Close = () => Promise<void>;

/** Every server of the process that ends with it: a signal is the process's, and so is this. */
const open = new Set<Close>();
let asked = false;

/**
 * Closes on SIGINT and SIGTERM, and ends the process when all that registered have closed: with 0, or 1 where
 * one could not. A second signal ends it at once. Returns what takes the registration back.
 */
export function closeOnSignals(close: Close): () => void {
  if (open.size === 0) process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  open.add(close);
  return () => {
    open.delete(close);
    if (open.size === 0 && !asked) process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
}

async function onSignal(): Promise<void> {
  // 130 is what shells show for a process that was interrupted.
  if (asked) process.exit(130);
  asked = true;
  const ends = await Promise.allSettled([...open].map((close) => close()));
  process.exit(ends.every(({ status }) => status === "fulfilled") ? 0 : 1);
}
