import type { Component, Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type StateStore, stateStore } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { withAccount } from "./_aws-fields.ts";
import { listKeys, MAX_KEYS, readMany, readOne } from "./_read.ts";
import type { Transport } from "./_service.ts";
import type { Table } from "./_table.ts";
import { transact } from "./_transaction.ts";
import { createTransport } from "./_transport.ts";
import { put, remove } from "./_write.ts";

export type { Transport } from "./_service.ts";

const fields = /* @__PURE__ */ withAccount({
  table: {
    type: "string",
    required: true,
    description:
      "Name of the table. It must exist, with a partition key of type string and no sort key.",
  },
  partitionKey: {
    type: "string",
    default: "key",
    description: "Name of the attribute that is the table's partition key.",
  },
  ttlAttributeName: {
    type: "string",
    description:
      "Name of the number attribute that the table's time to live is enabled on. Without it ttlInSeconds is refused.",
  },
  scan: {
    type: "boolean",
    default: false,
    description:
      "Allow listing keys, which reads the whole table and is billed so: DynamoDB has no index of keys by prefix.",
  },
  transport: {
    type: "code",
    description:
      "How requests are sent: sdk(client) of pillion/aws/dynamodb-sdk uses the AWS SDK's client, which knows profiles, SSO and assumed roles.",
  },
});

const untyped = /* @__PURE__ */ stateStore({
  type: "state.aws.dynamodb",
  runsOn: ["node", "workers", "lambda"],
  clock: "host",
  fields,
  features: ({ ttlAttributeName, scan }) => [
    "ETAG",
    "TRANSACTIONAL",
    ...(ttlAttributeName ? (["TTL"] as const) : []),
    ...(scan ? (["LIST"] as const) : []),
  ],
  open: dynamodbStore,
});

export interface DynamoDBOptions extends Omit<Parameters<typeof untyped>[0], "transport"> {
  /** Default: signed requests over the host's own HTTP, with no SDK. */
  readonly transport?: Transport;
}

/** Dapr's `state.aws.dynamodb`: the same items, with the conditions and the time to live that Dapr promises. */
export const state: (options: DynamoDBOptions) => Component<"state"> = untyped;

function dynamodbStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const table = tableOf(settings, host, name);
  return {
    maxOperations: 100,
    maxBulkKeys: MAX_KEYS,
    // As Dapr does: any key shows whether the table is there and may be read.
    init: async (call) => void (await readOne(table, host.random.uuid(), false, call)),
    get: (key, { consistency }, call) => readOne(table, key, consistency !== "eventual", call),
    getBulk: (keys, { consistency }, call) =>
      readMany(table, keys, consistency !== "eventual", call),
    set: (key, value, options, call) => put(table, key, value, options, call),
    delete: (key, options, call) => remove(table, key, options, call),
    transaction: (operations, call) => transact(table, operations, call),
    list: (prefix, limit, cursor, call) => listKeys(table, prefix, limit, cursor, call),
    native: (call) => table.transport.native(call),
  };
}

function tableOf(settings: Settings<typeof fields>, host: Host, component: string): Table {
  const { table: name, partitionKey: key, ttlAttributeName } = settings;
  const ttl = ttlAttributeName || undefined;
  const names = ["value", "etag", key, ...(ttl ? [ttl] : [])];
  if (new Set(names).size < names.length) {
    throw new ComponentError(
      "config",
      `component ${component}: the settings partitionKey and ttlAttributeName must name two attributes other than value and etag`,
    );
  }
  const transport = transportOf(settings, host, component);
  return { component, name, layout: { key, ttl }, transport, host };
}

function transportOf(settings: Settings<typeof fields>, host: Host, component: string): Transport {
  if (settings.transport === undefined) return createTransport(settings, host, component);
  // The settings of a component cannot say the type of a `code` field.
  const transport = settings.transport as Transport;
  if (typeof transport?.run === "function") return transport;
  throw new ComponentError(
    "config",
    `component ${component}: the setting transport takes sdk(client) of pillion/aws/dynamodb-sdk`,
  );
}
