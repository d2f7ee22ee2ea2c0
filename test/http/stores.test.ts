import { describe, expect, test } from "vitest";
import * as environment from "../../bindings/env.ts";
import * as memory from "../../bindings/memory.ts";
import { encrypted } from "../../src/blocks/state/encryption.ts";
import type { StoredItem } from "../../src/contracts/state.ts";
import type { ErrorKind } from "../../src/errors.ts";
import { requestOf, throughHandle } from "./_run.ts";
import { apiWith, errorOf, failing, senderOf } from "./_stores.ts";

const path = "/v1.0/state/store";

describe("what a store says becomes Dapr's status", () => {
  const statuses: Record<ErrorKind, number> = {
    "etag-mismatch": 409,
    "etag-invalid": 400,
    invalid: 400,
    corrupt: 500,
    unsupported: 500,
    unavailable: 500,
    config: 500,
  };

  test.each(Object.entries(statuses))("%s: %i, and 500 in a transaction", async (kind, status) => {
    const fail = failing(kind as ErrorKind);
    const { send } = senderOf({ get: fail, set: fail, delete: fail, transaction: fail });
    const save = errorOf(await send("POST", path, '[{"key":"a"}]'));
    expect(save).toMatchObject({ status, errorCode: "ERR_STATE_SAVE" });
    expect(save.message).toMatch(
      /^failed saving state in state store store: .*the service said so$/,
    );
    expect(errorOf(await send("DELETE", `${path}/a`))).toMatchObject({
      status,
      errorCode: "ERR_STATE_DELETE",
    });
    const body = '{"operations":[{"operation":"upsert","request":{"key":"a"}}]}';
    expect(errorOf(await send("POST", `${path}/transaction`, body))).toMatchObject({
      status: 500,
      errorCode: "ERR_STATE_TRANSACTION",
    });
  });

  test("a read that fails is ERR_STATE_GET", async () => {
    const { send } = senderOf({ get: failing("unavailable") });
    expect(errorOf(await send("GET", `${path}/a`))).toEqual({
      status: 500,
      errorCode: "ERR_STATE_GET",
      message: "fail to get a from state store store: the service said so",
    });
  });

  test("of several saves that fail the first with an ETag's fault decides", async () => {
    const { send } = senderOf({
      set: (key) => failing(key.endsWith("stale") ? "etag-mismatch" : "unavailable")(),
    });
    const body = '[{"key":"down"},{"key":"stale"}]';
    expect(errorOf(await send("POST", path, body)).status).toBe(409);
    expect(errorOf(await send("POST", path, '[{"key":"down"},{"key":"out"}]')).status).toBe(500);
  });
});

describe("a bulk read", () => {
  const bulk = `${path}/bulk`;
  const item = (value: StoredItem["value"]): StoredItem => ({
    value,
    etag: "1",
    expires: undefined,
  });

  test("tells of the key that cannot be read, and answers the others", async () => {
    const { send } = senderOf({
      get: async (key) => (key.endsWith("bad") ? failing("unavailable")() : item({ json: "1" })),
    });
    const { status, body } = await send("POST", bulk, '{"keys":["bad","good"]}');
    expect([status, JSON.parse(body)]).toEqual([
      200,
      [
        { key: "bad", error: "fail to get bad from state store store: the service said so" },
        { key: "good", data: 1, etag: "1" },
      ],
    ]);
  });

  test("answers a value that is no JSON with an error in its place, where Dapr's body is empty", async () => {
    const values: Record<string, StoredItem> = {
      "app||bytes": item({ bytes: new Uint8Array([1, 2, 255]) }),
      "app||text": item({ json: "hello", raw: new TextEncoder().encode("hello") }),
      "app||json": item({ bytes: new TextEncoder().encode("[1]") }),
    };
    const { send } = senderOf({ get: async (key) => values[key] });
    const { status, body } = await send("POST", bulk, '{"keys":["bytes","text","json"]}');
    const error = (key: string) =>
      `fail to get ${key} from state store store: the stored value of ${key} is not JSON: get it by itself`;
    const entries = [
      { key: "bytes", error: error("bytes") },
      { key: "text", error: error("text") },
      { key: "json", data: [1], etag: "1" },
    ];
    expect([status, body]).toEqual([200, `${JSON.stringify(entries)}\n`]);
    const got = await send("GET", `${path}/text`);
    expect([got.headers["content-type"], got.body]).toEqual(["application/json", "hello"]);
  });

  test("rounds no number", async () => {
    const { send } = senderOf({ get: async () => item({ json: '{"n":9007199254740993}' }) });
    const { body } = await send("POST", bulk, '{"keys":["a"]}');
    expect(body).toBe('[{"key":"a","data":{"n":9007199254740993},"etag":"1"}]\n');
  });

  test("uses the store's own, in slices, and asks for each key once", async () => {
    const asked: (readonly string[])[] = [];
    const { send } = senderOf({
      maxBulkKeys: 2,
      getBulk: async (keys) => {
        asked.push(keys);
        return keys.map(() => undefined);
      },
    });
    await send("POST", bulk, '{"keys":["a","b","a","c"],"parallelism":1}');
    expect(asked).toEqual([["app||a", "app||b"], ["app||c"]]);
  });

  test("of which all fail is ERR_STATE_BULK_GET", async () => {
    const { send } = senderOf({ getBulk: failing("unavailable") });
    expect(errorOf(await send("POST", bulk, '{"keys":["a"]}'))).toMatchObject({
      status: 500,
      errorCode: "ERR_STATE_BULK_GET",
    });
  });
});

describe("what a store cannot do", () => {
  const details = (reason: string, metadata: object | null = null) => [
    {
      "@type": "type.googleapis.com/google.rpc.ResourceInfo",
      description: "",
      owner: "",
      resource_name: "store",
      resource_type: "state",
    },
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      domain: "dapr.io",
      metadata,
      reason,
    },
  ];

  test("transactions, before the body is read", async () => {
    const { send } = senderOf({}, ["ETAG", "TTL"]);
    expect(errorOf(await send("POST", `${path}/transaction`, "no JSON"))).toEqual({
      status: 500,
      errorCode: "ERR_STATE_STORE_NOT_SUPPORTED",
      message: "state store store doesn't support transactions",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.Help",
          links: [
            {
              description: "Check the list of state stores and the features they support",
              url: "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
            },
          ],
        },
        ...details("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"),
      ],
    });
  });

  test("more operations than it takes", async () => {
    const { send } = senderOf({ maxOperations: 1 });
    const operation = { operation: "upsert", request: { key: "a" } };
    const body = (count: number) =>
      JSON.stringify({ operations: new Array(count).fill(operation) });
    expect(errorOf(await send("POST", `${path}/transaction`, body(2)))).toEqual({
      status: 400,
      errorCode: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
      message:
        "the transaction contains 2 operations, which is more than what the state store supports: 1",
      details: details("DAPR_STATE_TOO_MANY_TRANSACTIONS", {
        currentOpsTransaction: "2",
        maxOpsPerTransaction: "1",
      }),
    });
    expect((await send("POST", `${path}/transaction`, body(1))).status).toBe(204);
  });

  test.each([
    ["an ETag", { etag: "1" }, /lacks ETAG/],
    ["first-write", { options: { concurrency: "first-write" } }, /lacks ETAG/],
    ["a time to live", { metadata: { ttlInSeconds: "1" } }, /lacks TTL/],
  ])("%s is refused and not left out, as Dapr does", async (_what, more, message) => {
    const { send } = senderOf({}, []);
    const error = errorOf(await send("POST", path, JSON.stringify([{ key: "a", ...more }])));
    expect(error).toMatchObject({ status: 500, errorCode: "ERR_STATE_STORE_NOT_SUPPORTED" });
    expect(error.message).toMatch(message);
    expect((await send("GET", `${path}/a`)).status).toBe(204);
    expect((await send("POST", path, '[{"key":"a"}]')).status).toBe(204);
  });
});

describe("reads", () => {
  test("are eventual unless asked, and writes are what the request says", async () => {
    const seen: unknown[] = [];
    const { send } = senderOf({
      get: async (_key, options) => void seen.push(options.consistency),
      set: async (_key, _value, { consistency }) => void seen.push(consistency),
    });
    await send("GET", `${path}/a`);
    await send("GET", `${path}/a?consistency=strong`);
    await send("POST", `${path}/bulk`, '{"keys":["a"]}');
    await send("POST", path, '[{"key":"a"}]');
    await send("POST", path, '[{"key":"a","options":{"consistency":"strong"}}]');
    expect(seen).toEqual(["eventual", "strong", "eventual", undefined, "strong"]);
  });

  test("answer the stored bytes as they are", async () => {
    const bytes = new Uint8Array([0, 255, 1]);
    const { api } = senderOf({
      get: async (key) => ({
        value: key.endsWith("bytes") ? { bytes } : { json: '{ "a" : 1e0 }' },
        etag: undefined,
        expires: 4_102_444_800,
      }),
    });
    const got = await api.handle(requestOf("GET", `${path}/bytes`));
    expect(got).toEqual({
      status: 200,
      headers: {
        "content-type": "application/json",
        "metadata.ttlexpiretime": "2100-01-01T00:00:00Z",
      },
      body: bytes,
    });
    expect((await api.handle(requestOf("GET", `${path}/json`))).body).toBe('{ "a" : 1e0 }');
  });

  test("of an encrypted store answer what was encrypted", async () => {
    const store = environment.secrets({});
    const env = { KEY: "00112233445566778899aabbccddeeff" };
    const primaryEncryptionKey = { name: "KEY", store };
    const components = { store: encrypted(memory.state({}), { primaryEncryptionKey }) };
    const { api, runtime } = apiWith({ components, env });
    const send = throughHandle(api);
    await send({ method: "POST", path, headers: {}, body: '[{"key":"a","value":{"b":1}}]' });
    expect((await send({ method: "GET", path: `${path}/a`, headers: {} })).body).toBe('{"b":1}');
    const items = runtime.blocks.state("store").native<Map<string, unknown>>();
    expect(JSON.stringify([...items.values()])).not.toContain('"b"');
  });
});
