export interface Mutant {
  /** What the code no longer does. */
  readonly name: string;
  readonly file: string;
  /** Text that stands exactly once in the file. */
  readonly replace: string;
  readonly by: string;
  /** The tests that must notice. */
  readonly tests: readonly string[];
}

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
    replace: "if (key.includes(SEPARATOR)) {",
    by: "if (key.includes(SEPARATOR + SEPARATOR)) {",
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
    replace: "item ? { etag: item.etag }",
    by: "item ? {}",
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
    by: "Math.floor(clock.now() / 1000) + ttl - 1",
    tests: memory,
  },
  {
    name: "core: closing does not wait for calls under way",
    file: "src/runtime.ts",
    replace: "if (active === 0) drained();",
    by: "drained();",
    tests: core,
  },
  {
    name: "core: a closed runtime still takes calls",
    file: "src/runtime.ts",
    replace: `if (phase.is !== "open")`,
    by: `if (phase.is === undefined)`,
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
    replace: "await work.settled();",
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
    replace: "if (worked && ",
    by: "if (!worked && ",
    tests: lambda,
  },
  {
    name: "Lambda: one invocation's trace is the next one's",
    file: "targets/lambda/invocation.ts",
    replace: "return (trace ??= traceFrom(header));",
    by: "return ((globalThis as { t?: Trace }).t ??= traceFrom(header));",
    tests: lambda,
  },
  {
    name: "Lambda: several cookies become one",
    file: "targets/lambda/response.ts",
    replace: "cookies.push(toText(value))",
    by: "cookies[0] = toText(value)",
    tests: ["test/targets/lambda-response.test.ts"],
  },
];
