import type { Call } from "../../src/contracts/host.ts";
import { expiryOf, type StateOperation } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { explain } from "./_failures.ts";
import { conditionOf, createEtag, keyOf, toRow } from "./_item.ts";
import { retrying } from "./_retry.ts";
import { type CancellationReason, ServiceFailure } from "./_service.ts";
import type { Table } from "./_table.ts";

/** One TransactWriteItems: all of the operations, or none. */
export async function transact(
  table: Table,
  operations: readonly StateOperation[],
  call: Call,
): Promise<void> {
  const { host, transport } = table;
  const input = {
    TransactItems: operations.map((operation) => actionOf(operation, table)),
    // Within 10 minutes the same token applies once, so that a retry after a lost answer is not a conflict.
    ClientRequestToken: host.random.uuid(),
  };
  try {
    await retrying(host, call, isPassing, () => transport.run("TransactWriteItems", input, call));
  } catch (error) {
    throw isCancelled(error)
      ? cancellation(error, operations, table)
      : unchanged(explain(error, table));
  }
}

function actionOf(operation: StateOperation, { name, layout, host: { clock, random } }: Table) {
  const condition = conditionOf(layout, operation.when, clock);
  const { key } = operation;
  if (operation.operation === "delete") {
    return { Delete: { TableName: name, Key: keyOf(layout, key), ...condition } };
  }
  const item = toRow(
    layout,
    key,
    operation.value,
    createEtag(random),
    expiryOf(operation.ttl, clock),
  );
  return { Put: { TableName: name, Item: item, ...condition } };
}

function isCancelled(error: unknown): error is ServiceFailure {
  return ServiceFailure.is(error) && error.name === "TransactionCanceledException";
}

const passing = new Set([
  "None",
  "TransactionConflict",
  "ThrottlingError",
  "ProvisionedThroughputExceeded",
]);

/** Whether nothing but other requests stood in the way. A cancelled transaction does not use up its token. */
function isPassing(error: unknown): boolean {
  return (
    isCancelled(error) &&
    error.reasons.length > 0 &&
    error.reasons.every(({ Code = "None" }) => passing.has(Code))
  );
}

/** Reasons come in the order of the operations. */
function cancellation(
  error: ServiceFailure,
  operations: readonly StateOperation[],
  { component }: Table,
): ComponentError {
  const { reasons } = error;
  const failed = keysOf(({ Code }) => Code === "ConditionalCheckFailed");
  if (failed) {
    return new ComponentError(
      "etag-mismatch",
      `${failed} was written since it was read: nothing was written`,
      { cause: error },
    );
  }
  const refused = keysOf(({ Code = "None" }) => !passing.has(Code));
  if (refused) {
    const why = reasons.find(({ Code = "None" }) => !passing.has(Code));
    return new ComponentError(
      "invalid",
      `${refused} was refused, ${why?.Code}: ${why?.Message}: nothing was written`,
      { cause: error },
    );
  }
  const blocked = keysOf(({ Code = "None" }) => Code !== "None") ?? "the transaction";
  return new ComponentError(
    "unavailable",
    `component ${component}: ${blocked} was in use by other requests: nothing was written`,
    { cause: error },
  );

  function keysOf(matches: (reason: CancellationReason) => boolean): string | undefined {
    const keys = operations
      .filter((_, index) => matches(reasons[index] ?? {}))
      .map(({ key }) => key);
    return keys.length === 0
      ? undefined
      : `${keys.length === 1 ? "key" : "each of the keys"} ${keys.join(", ")}`;
  }
}

/** After no answer, or a server's failure, nobody knows; every other refusal comes before anything is written. */
function unchanged(error: unknown): unknown {
  if (!ComponentError.is(error) || !ServiceFailure.is(error.cause)) return error;
  const { status, retried } = error.cause;
  const known = status !== undefined && status < 500 && !retried;
  const outcome = known ? "nothing was written" : "whether it was written is unknown";
  return new ComponentError(error.kind, `${error.message}: ${outcome}`, { cause: error.cause });
}
