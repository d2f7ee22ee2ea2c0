import type { Concurrency, Consistency } from "../blocks/state/api.ts";

/** Dapr refuses a time to live that does not fit in 32 bits. */
const MAX_TTL = 2_147_483_647;

/** Thrown for options that no store takes, and answered with the code of the call that had them. */
export class BadOption extends Error {
  override readonly name = "BadOption";
}

/** Empty is none, as in Dapr. */
export function consistencyOf(value: string | undefined): Consistency | undefined {
  if (!value) return undefined;
  if (value === "strong" || value === "eventual") return value;
  throw new BadOption(`unrecognized consistency model '${value}'`);
}

export function concurrencyOf(value: string | undefined): Concurrency | undefined {
  if (!value) return undefined;
  if (value === "first-write" || value === "last-write") return value;
  throw new BadOption(`unrecognized concurrency model '${value}'`);
}

/** Whole seconds from metadata; empty is none. */
export function ttlOf(value: string | undefined): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  if (/^[+-]?\d+$/.test(value) && seconds >= -1 && seconds <= MAX_TTL) return seconds;
  const text = `must be a whole number from -1 to ${MAX_TTL}`;
  throw new BadOption(`incorrect value for metadata 'ttlInSeconds': ${text}`);
}
