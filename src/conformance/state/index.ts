import { etags } from "./etags.ts";
import { expiry } from "./expiry.ts";
import { listing } from "./listing.ts";
import { requests } from "./requests.ts";
import { transactions } from "./transactions.ts";
import { values } from "./values.ts";

/**
 * What every state store must do, by name. A case is left out only where a feature decides so; the names are
 * the type of a suite's own list of skips, so that a misspelt one does not compile.
 */
export const stateCases = {
  ...values,
  ...requests,
  ...etags,
  ...transactions,
  ...expiry,
  ...listing,
} as const;

export type StateCaseName = keyof typeof stateCases;
export type { StateBed, StateCase } from "./case.ts";
