import type { StateOperation } from "../../contracts/state.ts";
import { malformed } from "../../errors.ts";

/**
 * One operation per key with the effect of all in turn: services such as DynamoDB refuse two on one item.
 * The condition of the first stands for all; a later one of its own would speak of a state in between, which
 * no store can check.
 */
export function mergeOperations(operations: readonly StateOperation[]): StateOperation[] {
  const merged = new Map<string, StateOperation>();
  for (const operation of operations) {
    const earlier = merged.get(operation.key);
    merged.set(operation.key, earlier ? merge(earlier, operation) : operation);
  }
  return [...merged.values()];
}

function merge({ when, key }: StateOperation, later: StateOperation): StateOperation {
  if (later.when !== undefined) {
    throw malformed(
      `a transaction has an etag or first-write on a key that it wrote before: ${key}`,
    );
  }
  if (later.operation === "upsert") return { ...later, when };
  // What must hold is that there was nothing, and nothing is what remains: that is no delete.
  if (when === "absent") throw malformed(`a transaction inserts and deletes the same key: ${key}`);
  return { ...later, when };
}
