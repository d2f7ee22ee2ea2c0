import type { Call } from "../../src/contracts/host.ts";
import type { KeyPage, StoredItem } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { explain } from "./_failures.ts";
import { fromRow, keyOf, keysUnder } from "./_item.ts";
import { pause } from "./_retry.ts";
import { type Answers, type OperationName, type Row, ServiceFailure } from "./_service.ts";
import type { Table } from "./_table.ts";

/** Keys that one BatchGetItem takes. */
export const MAX_KEYS = 100;
/** Attempts in a row that read nothing before the table counts as throttled. */
const MAX_IDLE = 4;

export async function readOne(
  table: Table,
  key: string,
  strong: boolean,
  call: Call,
): Promise<StoredItem | undefined> {
  const input = { TableName: table.name, Key: keyOf(table.layout, key), ConsistentRead: strong };
  const { Item } = await run(table, "GetItem", input, call);
  return fromRow(table.layout, Item, table.host.clock);
}

/** At most {@link MAX_KEYS} keys, each once. An item that cannot be read is an error in its place. */
export async function readMany(
  table: Table,
  keys: readonly string[],
  strong: boolean,
  call: Call,
): Promise<(StoredItem | ComponentError | undefined)[]> {
  const { layout, host } = table;
  const rows = new Map<string | undefined, Row>();
  const wanted = keys.map((key) => keyOf(layout, key));
  await readBatch(table, wanted, strong, rows, call);
  return keys.map((key) => {
    try {
      return fromRow(layout, rows.get(key), host.clock);
    } catch (error) {
      if (ComponentError.is(error)) return error;
      throw error;
    }
  });
}

/** Asks again for what the service leaves out, over 16 MB or for want of throughput. */
async function readBatch(
  table: Table,
  batch: readonly Row[],
  strong: boolean,
  rows: Map<string | undefined, Row>,
  call: Call,
): Promise<void> {
  let left = batch;
  for (let idle = 1; ; idle++) {
    const input = { RequestItems: { [table.name]: { Keys: left, ConsistentRead: strong } } };
    const { Responses = {}, UnprocessedKeys = {} } = await run(table, "BatchGetItem", input, call);
    for (const row of Object.values(Responses).flat()) rows.set(row[table.layout.key]?.S, row);
    const unread = Object.values(UnprocessedKeys).flatMap(({ Keys = [] }) => Keys);
    if (unread.length === 0) return;
    if (unread.length < left.length) idle = 1;
    left = unread;
    if (idle === MAX_IDLE || !(await pause(table.host, call, idle))) {
      const failure = new ServiceFailure(
        "ThrottlingException",
        `${left.length} keys were left unread`,
        { status: 400 },
      );
      throw explain(failure, table);
    }
  }
}

/** The cursor is the last key of the page before: a scan can start after any key, also one that is gone. */
export async function listKeys(
  table: Table,
  prefix: string,
  limit: number,
  cursor: string | undefined,
  call: Call,
): Promise<KeyPage> {
  const { layout, host } = table;
  const keys: string[] = [];
  let start = cursor;
  // The first round reads few items, in case most of them match; later ones as many as the service gives.
  for (let most: number | undefined = limit + 1; ; most = undefined) {
    const { Items = [], LastEvaluatedKey } = await run(
      table,
      "Scan",
      {
        TableName: table.name,
        ConsistentRead: true,
        Limit: most,
        ExclusiveStartKey: start === undefined ? undefined : keyOf(layout, start),
        ...keysUnder(layout, prefix, host.clock),
      },
      call,
    );
    for (const row of Items) keys.push(row[layout.key]?.S ?? "");
    if (keys.length > limit || (keys.length === limit && LastEvaluatedKey)) {
      return { keys: keys.slice(0, limit), cursor: keys[limit - 1] };
    }
    start = LastEvaluatedKey?.[layout.key]?.S;
    if (start === undefined) return { keys };
  }
}

async function run<O extends OperationName>(
  table: Table,
  operation: O,
  input: object,
  call: Call,
): Promise<Answers[O]> {
  try {
    return await table.transport.run(operation, input, call);
  } catch (error) {
    throw explain(error, table);
  }
}
