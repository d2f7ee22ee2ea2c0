/** So much of a message's time is for what follows its handler: giving the handler up, the dead letter, telling the broker. */
const LONGEST_GRACE_MS = 1000;

/** Milliseconds between the end of a handler's time and that of the broker's, of whichever of them this is a part. */
export function graceOf(ms: number): number {
  return Math.min(LONGEST_GRACE_MS, ms / 10);
}
