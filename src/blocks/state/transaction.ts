import type { StateOperation } from "../../contracts/state.ts";
import { ApiError } from "../../errors.ts";

/**
 * One operation per key with the effect of all in turn: services such as DynamoDB refuse two on one item.
 * The condition of the first stands for all; a later one of its own would speak of a state in between, which
 * no store can check.
 */
export function mergeOperations(operations: readonly StateOperation[]): StateOperation[] {
  const merged = new Map<string, StateOperation>();
  for (const operation of operations) {
    const earlier = merged.get(operation.key);
    if (!earlier) {
      merged.set(operation.key, operation);
      continue;
    }
    if (conditionOf(operation) !== undefined) {
      throw new ApiError(
        "ERR_MALFORMED_REQUEST",
        `a transaction has an etag or first-write on a key that it wrote before: ${operation.key}`,
        { kind: "invalid" },
      );
    }
    merged.set(operation.key, withCondition(operation, conditionOf(earlier)));
  }
  return [...merged.values()];
}

type Condition = { readonly etag: string } | "absent" | undefined;

function conditionOf(operation: StateOperation): Condition {
  if (operation.operation === "upsert") return operation.when;
  return operation.etag === undefined ? undefined : { etag: operation.etag };
}

function withCondition(operation: StateOperation, condition: Condition): StateOperation {
  if (operation.operation === "upsert") return { ...operation, when: condition };
  if (condition === "absent") {
    // Insert and then delete: what must hold is that there was nothing, and nothing is what remains.
    throw new ApiError(
      "ERR_MALFORMED_REQUEST",
      `a transaction inserts and deletes the same key: ${operation.key}`,
      { kind: "invalid" },
    );
  }
  return { ...operation, etag: condition?.etag };
}
