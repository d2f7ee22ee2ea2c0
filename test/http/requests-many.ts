import {
  bareRow,
  done,
  fails,
  get,
  info,
  json,
  malformed,
  post,
  put,
  type Row,
  resource,
  row,
} from "./_rows.ts";

const store = "/v1.0/state/store";
const bulk = `${store}/bulk`;
const transaction = `${store}/transaction`;
const query = "/v1.0-alpha1/state/store/query";

const keys = (...names: string[]) => JSON.stringify({ keys: names });
const operations = (...list: object[]) => JSON.stringify({ operations: list });
const upsert = (key: string, more: object = { value: 1 }) => ({
  operation: "upsert",
  request: { key, ...more },
});
const remove = (key: string, more: object = {}) => ({
  operation: "delete",
  request: { key, ...more },
});

export const bulkRows: readonly Row[] = [
  row("a bulk read answers every key in order, and says nothing of what is not there", [
    post(store, '[{"key":"b1","value":{"a":1}},{"key":"b2","value":"<&>"}]', done),
    get(`${store}/b1`, json('{"a":1}')),
    post(
      bulk,
      keys("b-none", "b1"),
      json('[{"key":"b-none"},{"key":"b1","data":{"a":1},"etag":"{etag}"}]\n'),
    ),
    get(`${store}/b2`, json('"<&>"')),
    post(bulk, keys("b2"), json('[{"key":"b2","data":"\\u003c\\u0026\\u003e","etag":"{etag}"}]\n')),
  ]),
  row("a bulk read of no keys is an empty array", [
    post(bulk, "{}", json("[]\n")),
    post(bulk, '{"keys":[]}', json("[]\n")),
    post(bulk, "null", json("[]\n")),
  ]),
  row("a bulk read says when an item ends", [
    post(store, '[{"key":"b-ttl","value":1,"metadata":{"ttlInSeconds":"100"}}]', done),
    post(bulk, keys("b-ttl"), { status: 200, headers: { "content-type": "application/json" } }),
  ]),
  row("PUT, parallelism, metadata and any spelling are taken", [
    put(bulk, '{"KEYS":["b-x"],"Parallelism":10,"metadata":{"a":"b"}}', json('[{"key":"b-x"}]\n')),
    put(bulk, '{"keys":["b-x"],"parallelism":-1}', json('[{"key":"b-x"}]\n')),
  ]),
  row("a key that is asked for twice is answered twice", [
    post(bulk, keys("b-y", "b-y"), json('[{"key":"b-y"},{"key":"b-y"}]\n')),
  ]),
  row("keys of the JavaScript prototype are read like any other", [
    post(bulk, keys("__proto__x", "toString"), json('[{"key":"__proto__x"},{"key":"toString"}]\n')),
  ]),
  row("a key with || refuses the whole bulk read", [
    post(bulk, keys("fine", "a||b"), {
      ...malformed(/can't contain '\|\|'$/),
    }),
  ]),
  ...[
    ["an empty body", ""],
    ["no JSON", "keys"],
    ["an array", "[]"],
    ["keys that are text", '{"keys":"a"}'],
    ["a key that is a number", '{"keys":[1]}'],
    ["parallelism that is text", '{"keys":[],"parallelism":"1"}'],
    ["parallelism that is no whole number", '{"keys":[],"parallelism":1.5}'],
    ["metadata with a number", '{"keys":[],"metadata":{"a":1}}'],
  ].map(([name, body]) =>
    row(`a bulk read of ${name} is malformed`, [
      post(bulk, body ?? "", malformed(/^failed deserializing HTTP body: /)),
    ]),
  ),
];

const stale = fails(
  500,
  "ERR_STATE_TRANSACTION",
  /^error while executing state transaction.*possible etag mismatch/,
);

export const transactionRows: readonly Row[] = [
  row("a transaction writes and deletes", [
    post(transaction, operations(upsert("t1"), upsert("t2", { value: { a: 2 } })), done),
    get(`${store}/t1`, json("1")),
    get(`${store}/t2`, json('{"a":2}')),
    post(transaction, operations(remove("t1"), upsert("t2", { value: 3 })), done),
    get(`${store}/t1`, done),
    get(`${store}/t2`, json("3")),
  ]),
  row("a stale ETag is 500 in a transaction, and nothing is written", [
    post(store, '[{"key":"t3","value":1}]', done),
    post(transaction, operations(upsert("t4"), upsert("t3", { value: 2, etag: "stale" })), stale),
    get(`${store}/t4`, done),
    get(`${store}/t3`, json("1")),
    post(transaction, operations(upsert("t4"), remove("t3", { etag: "stale" })), stale),
    get(`${store}/t4`, done),
    get(`${store}/t3`, json("1")),
  ]),
  row("an ETag that holds lets a transaction through", [
    post(store, '[{"key":"t5","value":1}]', done),
    get(`${store}/t5`, json("1")),
    post(transaction, operations(upsert("t5", { value: 2, etag: "{etag}" })), done),
    get(`${store}/t5`, json("2")),
    post(transaction, operations(remove("t5", { ETag: "{etag}" })), done),
    get(`${store}/t5`, done),
  ]),
  row("first-write holds in a transaction", [
    post(
      transaction,
      operations(upsert("t6", { value: 1, options: { concurrency: "first-write" } })),
      done,
    ),
    post(
      transaction,
      operations(upsert("t6", { value: 2, options: { Concurrency: "first-write" } })),
      stale,
    ),
    get(`${store}/t6`, json("1")),
  ]),
  row("no operations are no error", [
    post(transaction, '{"operations":[]}', done),
    post(transaction, "{}", done),
    post(transaction, '{"operations":null,"metadata":null}', done),
    put(transaction, '{"operations":[],"metadata":{"a":"b"}}', done),
  ]),
  row("any spelling is taken, and metadata that is null", [
    post(
      transaction,
      '{"Operations":[{"OPERATION":"upsert","Request":{"KEY":"t7","VALUE":7}}],"metadata":null}',
      done,
    ),
    get(`${store}/t7`, json("7")),
  ]),
  row("the metadata of the URL reaches every operation", [
    post(`${transaction}?metadata.ttlInSeconds=100`, operations(upsert("t8")), done),
    get(`${store}/t8`, json("1", { "metadata.ttlexpiretime": /Z$/ })),
  ]),
  row("an operation's own metadata counts, and the URL's over it", [
    post(
      transaction,
      operations(upsert("t9", { value: 1, metadata: { ttlInSeconds: "100" } })),
      done,
    ),
    get(`${store}/t9`, json("1", { "metadata.ttlexpiretime": /Z$/ })),
    post(
      `${transaction}?metadata.ttlInSeconds=`,
      operations(upsert("t9", { value: 2, metadata: { ttlInSeconds: "100" } })),
      done,
    ),
    get(`${store}/t9`, json("2", { "metadata.ttlexpiretime": null })),
  ]),
  row("the transaction's metadata is none of its operations'", [
    post(
      transaction,
      JSON.stringify({ operations: [upsert("t10")], metadata: { ttlInSeconds: "100" } }),
      done,
    ),
    get(`${store}/t10`, json("1", { "metadata.ttlexpiretime": null })),
  ]),
  row("a bad time to live is refused, and nothing is written", [
    post(
      transaction,
      operations(upsert("t11"), upsert("t12", { metadata: { ttlInSeconds: "x" } })),
      fails(500, "ERR_STATE_TRANSACTION", /^error while executing state transaction: /),
    ),
    get(`${store}/t11`, done),
  ]),
  row("an unknown operation is refused, and nothing is written", [
    post(
      transaction,
      operations(upsert("t13"), { operation: "insert", request: { key: "t14" } }),
      fails(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", "operation type insert not supported"),
    ),
    get(`${store}/t13`, done),
    post(
      transaction,
      operations({ operation: "Upsert", request: { key: "t14" } }),
      fails(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", "operation type Upsert not supported"),
    ),
    post(
      transaction,
      operations({ request: { key: "t14" } }),
      fails(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", "operation type  not supported"),
    ),
  ]),
  ...[
    ["an empty body", ""],
    ["no JSON", "x"],
    ["an array", "[]"],
    ["operations that are an object", '{"operations":{}}'],
    ["an operation that is text", '{"operations":["upsert"]}'],
    ["an ETag that is a number", operations(upsert("t15", { etag: 1 }))],
    ["a key that is a number", operations(upsert("t15", { key: 1 }))],
    ["metadata with a number", operations(upsert("t15", { metadata: { ttlInSeconds: 1 } }))],
    ["a request that is text", operations({ operation: "upsert", request: "t15" })],
    ["an ETag of a delete that is a number", operations(remove("t15", { etag: 1 }))],
    ["metadata that is text", '{"operations":[],"metadata":"x"}'],
  ].map(([name, body]) =>
    row(`a transaction of ${name} is malformed`, [
      post(transaction, body ?? "", malformed(/^failed deserializing HTTP body: /)),
      get(`${store}/t15`, done),
    ]),
  ),
  row(
    "an operation without a key is refused",
    [post(transaction, operations(upsert("")), malformed(/key/))],
    { differs: "Dapr stores it under the prefix alone" },
  ),
  row("a key with || is refused, and nothing is written", [
    post(
      transaction,
      operations(upsert("t16"), upsert("a||b")),
      fails(400, "ERR_MALFORMED_REQUEST", /can't contain '\|\|'$/),
    ),
    get(`${store}/t16`, done),
  ]),
];

export const queryRows: readonly Row[] = [
  row("no store answers queries", [
    post(
      query,
      "{}",
      fails(500, "ERR_STATE_STORE_NOT_SUPPORTED", "state store does not support querying", [
        resource("store"),
        info("DAPR_STATE_QUERYING_NOT_SUPPORTED"),
      ]),
    ),
    put(query, "{}", fails(500, "ERR_STATE_STORE_NOT_SUPPORTED", /querying/)),
    post(
      "/v1.0-alpha1/state/nope/query",
      "{}",
      fails(400, "ERR_STATE_STORE_NOT_FOUND", "state store nope is not found", [
        info("DAPR_STATE_NOT_FOUND"),
      ]),
    ),
  ]),
  row("a query that is too large cannot be read", [
    post(
      query,
      "x".repeat(5_000_000),
      fails(400, "ERR_BODY_READ", /^failed to read request body: /),
    ),
  ]),
  bareRow("a query without any state store is 500", [
    post(
      query,
      "{}",
      fails(500, "ERR_STATE_STORE_NOT_CONFIGURED", "state store store is not configured", [
        info("DAPR_STATE_NOT_CONFIGURED"),
      ]),
    ),
  ]),
];
