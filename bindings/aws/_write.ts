import type { Call } from "../../src/contracts/host.ts";
import {
  type DeleteOptions,
  expiryOf,
  type Precondition,
  type SetOptions,
  type StoredValue,
} from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { explain, isConditionFailure, isConflict } from "./_failures.ts";
import { conditionOf, createEtag, keyOf, toRow } from "./_item.ts";
import { retrying } from "./_retry.ts";
import type { ServiceFailure } from "./_service.ts";
import type { Table } from "./_table.ts";

export async function put(
  table: Table,
  key: string,
  value: StoredValue,
  { when, ttl }: SetOptions,
  call: Call,
): Promise<string> {
  const { host, layout } = table;
  const etag = createEtag(host.random);
  const input = {
    TableName: table.name,
    Item: toRow(layout, key, value, etag, expiryOf(ttl, host.clock)),
    ...condition(table, when),
  };
  // Ours is there already: the answer to an earlier attempt was lost, not the race.
  await write(table, "PutItem", key, input, call, ({ item }) => item?.etag?.S === etag);
  return etag;
}

export async function remove(
  table: Table,
  key: string,
  { when }: DeleteOptions,
  call: Call,
): Promise<void> {
  const input = {
    TableName: table.name,
    Key: keyOf(table.layout, key),
    ...condition(table, when),
  };
  // Gone after a lost answer is taken for our own doing: nothing stored says whose it was, and gone was asked for.
  await write(
    table,
    "DeleteItem",
    key,
    input,
    call,
    ({ retried, item }) => retried && item === undefined,
  );
}

function condition({ layout, host }: Table, when: Precondition | undefined) {
  return (
    when && {
      ...conditionOf(layout, when, host.clock),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    }
  );
}

async function write(
  table: Table,
  operation: "PutItem" | "DeleteItem",
  key: string,
  input: object,
  call: Call,
  done: (failure: ServiceFailure) => boolean,
): Promise<void> {
  try {
    await retrying(table.host, call, isConflict, () => table.transport.run(operation, input, call));
  } catch (error) {
    if (!isConditionFailure(error)) throw explain(error, table);
    if (done(error)) return;
    throw new ComponentError("etag-mismatch", `key ${key} was written since it was read`, {
      cause: error,
    });
  }
}
