import type { Call } from "../../contracts/host.ts";
import type { StateOperation } from "../../contracts/state.ts";
import { configurationError } from "../../errors.ts";
import { delegating } from "../delegating.ts";
import type { OpenedState } from "./handle.ts";

type Transaction = (operations: readonly StateOperation[], call: Call) => Promise<void>;

/** The same store, whose transactions are done by `transaction`, which adds one operation of its own. */
export function carrying(opened: OpenedState, transaction: Transaction): OpenedState {
  const maxOperations = opened.instance.maxOperations && opened.instance.maxOperations - 1;
  const own = { transaction, ...(maxOperations && { maxOperations }) };
  return { ...opened, instance: delegating(opened.instance, own) };
}

/** Throws `ERR_CONFIGURATION` for a store that cannot write both or neither, or only once. */
export function checkCarrier({ name, features }: OpenedState, what: string): void {
  const missing = ["TRANSACTIONAL", "ETAG"].filter((feature) => !features.has(feature));
  if (missing.length === 0) return;
  throw configurationError(
    `${what} needs a state store with transactions and ETags: ${name} lacks ${missing.join(" and ")}`,
  );
}
