import { above } from "./above.ts";
import { ofApps } from "./app.ts";
import { d1 } from "./d1.ts";
import { http } from "./http.ts";
import { kafka } from "./kafka.ts";
import { kv } from "./kv.ts";
import { mqtt } from "./mqtt.ts";
import type { Mutant } from "./mutant.ts";
import { nats } from "./nats.ts";
import { postgresql } from "./postgresql.ts";
import { pubsub } from "./pubsub.ts";
import { queues } from "./queues.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";
import { redisStream } from "./redis-stream.ts";
import { resources } from "./resources.ts";
import { sidecar } from "./sidecar.ts";
import { snsSqs } from "./sns-sqs.ts";
import { sqliteQueue } from "./sqlite-queue.ts";
import { upstash } from "./upstash.ts";

const memory = ["test/memory.test.ts"];
const core = ["test/core"];
const sqlite = ["test/node/sqlite-conformance.test.ts"];
const objects = ["test/workers/durable-objects.test.ts"];
const dynamodb = ["test/aws/dynamodb-conformance.test.ts"];
const lambda = ["test/targets/lambda-runtime.test.ts"];

export const mutants: readonly Mutant[] = [
  {
    name: "core: a feature that is not claimed is not refused",
    file: "src/blocks/state/handle.ts",
    replace: "if (features.has(feature)) return;",
    by: "if (features.size >= 0) return;",
    tests: ["test/core/features.test.ts"],
  },
  {
    name: "core: first-write without an ETag writes over what is there",
    file: "src/blocks/state/options.ts",
    replace: `concurrency === "first-write" ? ("absent" as const) : undefined`,
    by: "undefined",
    tests: memory,
  },
  {
    name: "core: an empty ETag is taken for none",
    file: "src/blocks/state/options.ts",
    replace: "if (etag === undefined) return undefined;",
    by: "if (!etag) return undefined;",
    tests: memory,
  },
  {
    name: "core: keys are stored without their prefix",
    file: "src/blocks/state/handle.ts",
    replace: "return prefix + key;",
    by: "return prefix ? key : key;",
    tests: core,
  },
  {
    name: "core: a key may hold ||",
    file: "src/blocks/keys.ts",
    replace: "if (key.includes(SEPARATOR)) throw",
    by: "if (key.startsWith(SEPARATOR)) throw",
    tests: memory,
  },
  {
    name: "core: operations on one key in a transaction forget the first one's condition",
    file: "src/blocks/state/transaction.ts",
    replace: `if (later.operation === "upsert") return { ...later, when };`,
    by: `if (later.operation === "upsert") return later;`,
    tests: ["test/core/transaction.test.ts"],
  },
  {
    name: "core: update writes without the ETag that it read",
    file: "src/blocks/state/update.ts",
    replace: `item?.etag === undefined ? "absent" : { etag: item.etag }`,
    by: `item?.etag === undefined ? "absent" : (undefined as never)`,
    tests: memory,
  },
  {
    name: "core: bulk writes stop at the first failure's silence",
    file: "src/blocks/state/write.ts",
    replace: "if (failures.length > 0) throw",
    by: "if (failures.length > 1) throw",
    tests: memory,
  },
  {
    name: "core: a time to live ends up to a second early",
    file: "src/contracts/state.ts",
    replace: "Math.ceil(clock.now() / 1000) + ttl",
    by: "Math.floor(clock.now() / 1000) + ttl",
    tests: memory,
  },
  {
    name: "core: closing does not wait for calls under way",
    file: "src/lifecycle.ts",
    replace: "if (active === 0) drained();",
    by: "drained();",
    tests: core,
  },
  {
    name: "core: a closed runtime still takes calls",
    file: "src/lifecycle.ts",
    replace: `if (phase.is === "open") return;`,
    by: "if (phase.is !== undefined) return;",
    tests: core,
  },
  {
    name: "core: an update puts off the end of the item's time",
    file: "src/blocks/state/update.ts",
    replace: "return Math.max(0,",
    by: "return Math.max(1,",
    tests: memory,
  },
  {
    name: "core: a bulk read goes past its parallelism",
    file: "src/blocks/parallel.ts",
    replace: "Math.min(limit, items.length)",
    by: "items.length",
    tests: core,
  },
  {
    name: "core: an update of an item without an ETag writes in any case",
    file: "src/blocks/state/update.ts",
    replace: "if (item && item.etag === undefined) throw",
    by: "if (item && item.etag === null) throw",
    tests: core,
  },
  {
    name: "core: closing does not wait for background work",
    file: "src/runtime.ts",
    replace: "background.settled().then(lifecycle.drained)",
    by: "lifecycle.drained()",
    tests: core,
  },
  {
    name: "core: work that outlives its client ends with it",
    file: "src/call.ts",
    replace: "this.#outlives = true;",
    by: "this.#outlives = false;",
    tests: core,
  },
  {
    name: "core: failures of different kinds answer as the first",
    file: "src/blocks/state/write.ts",
    replace: "failures.every(",
    by: "failures.some(",
    tests: core,
  },
  {
    name: "in-memory: a stale ETag writes",
    file: "bindings/memory.ts",
    replace: "etag === when.etag",
    by: "etag !== undefined",
    tests: memory,
  },
  {
    name: "in-memory: an expired item is still there",
    file: "bindings/memory.ts",
    replace: "item.expires * 1000 > clock.now()",
    by: "item.expires > 0",
    tests: memory,
  },
  {
    name: "SQLite: a stale ETag updates",
    file: "bindings/node/_state-table.ts",
    replace: "WHERE key = ? AND etag = ? AND ${alive}`,\n    ),\n    delete:",
    by: "WHERE key = ? AND etag <> ? || 'x' AND ${alive}`,\n    ),\n    delete:",
    tests: sqlite,
  },
  {
    name: "SQLite: a transaction is not one",
    file: "bindings/node/_sqlite.ts",
    replace: 'if (database.isTransaction) database.exec("ROLLBACK");',
    by: 'if (database.isTransaction) database.exec("COMMIT");',
    tests: sqlite,
  },
  {
    name: "SQLite: an expired item is read",
    file: "bindings/node/_state-table.ts",
    replace: "get: statement(`SELECT ${columns} FROM ${table} WHERE key = ? AND ${alive}`),",
    by: "get: statement(`SELECT ${columns} FROM ${table} WHERE key = ? AND ? <> ''`),",
    tests: sqlite,
  },
  {
    name: "SQLite: an insert writes over a living item",
    file: "bindings/node/_state-table.ts",
    replace: "WHERE ${table}.expiration_time <= excluded.update_time`",
    by: "WHERE true`",
    tests: sqlite,
  },
  {
    name: "SQLite: a write is acknowledged before it is made",
    file: "bindings/node/sqlite.ts",
    replace: "sql().set.run(key, text, binary, etag, now, expires);",
    by: "setTimeout(() => sql().set.run(key, text, binary, etag, now, expires), 1);",
    tests: sqlite,
  },
  {
    name: "SQLite: a held file fails at once",
    file: "bindings/node/_sqlite.ts",
    replace: "if (!isBusy(error) || clock.now() >= until)",
    by: "if (!isBusy(error) || until > 0)",
    tests: ["test/node/sqlite-trouble.test.ts"],
  },
  {
    name: "SQLite: the cleanup takes what has not ended",
    file: "bindings/node/sqlite.ts",
    replace: "expiration_time < ?",
    by: "expiration_time <> ?",
    tests: ["test/node/sqlite-layout.test.ts"],
  },
  {
    name: "SQLite: a commit may be lost with the machine's power",
    file: "bindings/node/_sqlite.ts",
    replace: "PRAGMA synchronous = FULL",
    by: "PRAGMA synchronous = NORMAL",
    tests: ["test/node/sqlite-layout.test.ts"],
  },
  {
    name: "Durable Object: a part of a buffer is stored whole",
    file: "bindings/cloudflare/durable-objects.ts",
    replace: "bytes.slice().buffer",
    by: "bytes.buffer",
    tests: objects,
  },
  {
    name: "Durable Object: a large bulk read is cut short",
    file: "bindings/cloudflare/durable-objects.ts",
    replace: "while (rows.length < keys.length) {",
    by: "if (rows.length < keys.length) {",
    tests: ["test/workers/workers.test.ts"],
  },
  {
    name: "Durable Object: a transaction that is too large is sent",
    file: "bindings/cloudflare/durable-objects.ts",
    replace: "if (size > MAX_MESSAGE)",
    by: "if (size < 0)",
    tests: ["test/workers/workers.test.ts"],
  },
  {
    name: "Durable Object: a stale ETag writes",
    file: "bindings/cloudflare/_state-object.ts",
    replace: "etag === when.etag",
    by: "etag !== undefined",
    tests: objects,
  },
  {
    name: "Durable Object: a transaction is not one",
    file: "bindings/cloudflare/_state-object.ts",
    replace: "this.#storage.transactionSync(() => {",
    by: "((work: () => void) => work())(() => {",
    tests: objects,
  },
  {
    name: "Durable Object: an expired item is read",
    file: "bindings/cloudflare/_state-object.ts",
    replace: `"SELECT value, etag, expires FROM state WHERE key = ? AND (expires IS NULL OR expires > ?)"`,
    by: `"SELECT value, etag, expires FROM state WHERE key = ? AND ? > 0"`,
    tests: objects,
  },
  {
    name: "Node: work given to waitUntil is not waited for",
    file: "targets/node/serve.ts",
    replace: "await within(left(), work.settled(), systemClock);",
    by: "",
    tests: ["test/node/serve.test.ts"],
  },
  {
    name: "DynamoDB: writes carry no condition",
    file: "bindings/aws/_write.ts",
    replace: "    when && {",
    by: "    when && !when && {",
    tests: dynamodb,
  },
  {
    name: "DynamoDB: an expired item is read",
    file: "bindings/aws/_item.ts",
    replace: "expires <= seconds(clock)",
    by: "expires <= 0",
    tests: dynamodb,
  },
  {
    name: "DynamoDB: an expired item still blocks a first write",
    file: "bindings/aws/_item.ts",
    replace: "OR #ttl <= :now",
    by: "AND NOT #ttl <= :now",
    tests: dynamodb,
  },
  {
    name: "DynamoDB: deletes in a transaction carry no condition, as Dapr's",
    file: "bindings/aws/_transaction.ts",
    replace: "Key: keyOf(layout, key), ...condition",
    by: "Key: keyOf(layout, key)",
    tests: dynamodb,
  },
  {
    name: "DynamoDB: a write whose answer was lost is a conflict",
    file: "bindings/aws/_write.ts",
    replace: "({ item }) => item?.etag?.S === etag",
    by: "() => false",
    tests: ["test/aws/dynamodb-faults.test.ts"],
  },
  {
    name: "DynamoDB: a transaction retried has another token",
    file: "bindings/aws/_transaction.ts",
    replace: `transport.run("TransactWriteItems", input, call)`,
    by: `transport.run("TransactWriteItems", { ...input, ClientRequestToken: host.random.uuid() }, call)`,
    tests: ["test/aws"],
  },
  {
    name: "AWS: the session token is not signed",
    file: "bindings/aws/_sigv4.ts",
    replace: "x-amz-security-token",
    by: "x-amz-security-tokem",
    tests: ["test/aws/sigv4.test.ts"],
  },
  {
    name: "Lambda: work given to waitUntil is not waited for",
    file: "targets/lambda/invocation.ts",
    replace: "if (this.#worked && ",
    by: "if (!this.#worked && ",
    tests: lambda,
  },
  {
    name: "Lambda: one invocation's trace is the next one's",
    file: "targets/lambda/invocation.ts",
    replace: "this.#trace ??= traceFrom(this.#header);",
    by: "this.#trace = (globalThis as { t?: Trace }).t ??= traceFrom(this.#header);",
    tests: lambda,
  },
  {
    name: "Lambda: several cookies become one",
    file: "targets/lambda/response.ts",
    replace: "cookies.push(toText(value))",
    by: "cookies[0] = toText(value)",
    tests: ["test/targets/lambda-response.test.ts"],
  },
  ...resources,
  ...above,
  ...pubsub,
  ...nats,
  ...kafka,
  ...mqtt,
  ...sqliteQueue,
  ...rabbitmq,
  ...queues,
  ...redis,
  ...redisStream,
  ...postgresql,
  ...d1,
  ...kv,
  ...upstash,
  ...snsSqs,
  ...http,
  ...ofApps,
  ...sidecar,
];
