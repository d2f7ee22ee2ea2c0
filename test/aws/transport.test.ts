import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import { type DynamoDBOptions, state as declare } from "../../bindings/aws/dynamodb.ts";
import { sdk } from "../../bindings/aws/dynamodb-sdk.ts";
import { backgroundCall } from "../../src/call.ts";
import type { Call, Host, ServiceRequest, ServiceResponse } from "../../src/contracts/host.ts";
import { createRuntime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";
import { credentials, failureOf, stateOn } from "./_beds.ts";

type Answer = { status?: number; headers?: Record<string, string>; body: object | string } | Error;

/** A service that gives these answers in turn, the last one for ever, and remembers the requests. */
function service(...answers: Answer[]) {
  const requests: ServiceRequest[] = [];
  const sleeps: number[] = [];
  const clock = {
    ...virtualClock(Date.UTC(2026, 0, 1)),
    sleep: async (ms: number) => void sleeps.push(ms),
  };
  async function send(request: ServiceRequest): Promise<ServiceResponse> {
    requests.push(request);
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) as Answer;
    if (answer instanceof Error) throw answer;
    const { status = 200, headers = {}, body } = answer;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return { status, headers, body: new TextEncoder().encode(text) };
  }
  return {
    requests,
    sleeps,
    ports: { send, clock, env: {} } satisfies Partial<Host>,
    bodies: () =>
      requests.map(({ body }) => JSON.parse(new TextDecoder().decode(body as Uint8Array))),
  };
}

const fault = (name: string, message = "", more: object = {}, status = 400) => ({
  status,
  body: { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message, ...more },
});
const found = (value: string): Answer => ({
  body: { Item: { key: { S: "orders||a" }, value: { S: value }, etag: { S: "1" } } },
});
const cancelled = (...codes: string[]) =>
  fault("TransactionCanceledException", "cancelled", {
    CancellationReasons: codes.map((Code) => ({ Code })),
  });

function open(ports: Partial<Host>, options: Partial<DynamoDBOptions> = {}) {
  return stateOn(
    declare({ table: "orders", region: "us-east-1", ...credentials, ...options }),
    ports,
  );
}

describe("retries", () => {
  test.each([
    ["a network error", new Error("ECONNRESET")],
    ["a server's failure", fault("InternalServerError", "", {}, 500)],
    ["an answer that is not DynamoDB's", { status: 502, body: "<html>" }],
    ["throttling", fault("ProvisionedThroughputExceededException")],
    ["request throttling", fault("ThrottlingException")],
  ] as [string, Answer][])(
    "%s: 4 attempts with growing pauses, then unavailable",
    async (_, answer) => {
      const failing = service(answer);
      await expect(open(failing.ports).get("a")).rejects.toMatchObject({
        kind: "unavailable",
        retry: true,
      });
      expect(failing.requests.length).toBe(4);
      for (const [index, ms] of failing.sleeps.entries())
        expect(ms).toBeLessThanOrEqual(25 * 2 ** index);
      const recovering = service(answer, answer, answer, found("7"));
      expect(await open(recovering.ports).get("a")).toBe(7);
    },
  );

  test.each(["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])(
    "%s is not retried",
    async (name) => {
      const failing = service(fault(name));
      await expect(open(failing.ports).get("a")).rejects.toMatchObject({ retry: false });
      expect(failing.requests.length).toBe(1);
    },
  );

  test("a single write that met a transaction is made again, then unavailable", async () => {
    const recovering = service(fault("TransactionConflictException"), { body: {} });
    await open(recovering.ports).set("a", 1);
    expect(recovering.requests.length).toBe(2);
    const failing = service(fault("TransactionConflictException"));
    await expect(open(failing.ports).delete("a")).rejects.toMatchObject({ kind: "unavailable" });
    expect(failing.requests.length).toBe(4);
  });

  test("a transaction that met another is made again under its token, then unavailable", async () => {
    const operations = [
      { operation: "upsert", key: "a", value: 1 },
      { operation: "delete", key: "b" },
    ] as const;
    const recovering = service(
      cancelled("None", "TransactionConflict"),
      cancelled("ThrottlingError", "None"),
      { body: {} },
    );
    await open(recovering.ports).transaction(operations);
    expect(
      new Set(recovering.bodies().map(({ ClientRequestToken }) => ClientRequestToken)).size,
    ).toBe(1);
    const failing = service(cancelled("None", "TransactionConflict"));
    const error = await failureOf(open(failing.ports).transaction(operations));
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(error.message).toMatch(/key orders\|\|b .*nothing was written/);
    expect(failing.requests.length).toBe(4);
  });

  test("a conflict beside a stale ETag is a mismatch of the key that is stale", async () => {
    const failing = service(cancelled("TransactionConflict", "ConditionalCheckFailed"));
    const operations = [
      { operation: "upsert", key: "a", value: 1 },
      { operation: "delete", key: "b", etag: "1" },
    ] as const;
    await expect(open(failing.ports).transaction(operations)).rejects.toMatchObject({
      kind: "etag-mismatch",
      message: expect.stringContaining("key orders||b "),
    });
    expect(failing.requests.length).toBe(1);
  });

  test("keys that a bulk read left out are asked for again", async () => {
    const row = (key: string) => ({ key: { S: key }, value: { S: "1" }, etag: { S: "1" } });
    const left = (...keys: string[]) => ({
      orders: { Keys: keys.map((key) => ({ key: { S: key } })) },
    });
    const partial = service(
      { body: { Responses: { orders: [row("orders||b")] }, UnprocessedKeys: left("orders||a") } },
      { body: { Responses: { orders: [row("orders||a")] }, UnprocessedKeys: {} } },
    );
    const items = await open(partial.ports).getBulk(["a", "b", "a"]);
    expect(items.map(({ value }) => value)).toEqual([1, 1, 1]);
    expect(partial.bodies().map(({ RequestItems }) => RequestItems.orders.Keys.length)).toEqual([
      2, 1,
    ]);
    const throttled = service({ body: { Responses: {}, UnprocessedKeys: left("orders||a") } });
    await expect(open(throttled.ports).getBulk(["a"])).rejects.toMatchObject({
      kind: "unavailable",
    });
  });
});

describe("outcomes and etags", () => {
  test("a transaction without a verdict does not claim that nothing was written", async () => {
    for (const answer of [fault("InternalServerError", "", {}, 500), new Error("ECONNRESET")]) {
      const state = open(service(answer).ports);
      const error = await failureOf(state.transaction([{ operation: "delete", key: "a" }]));
      expect(error).toMatchObject({ kind: "unavailable" });
      expect(error.message).toContain("whether it was written is unknown");
      expect(error.message).not.toContain("nothing was written");
    }
  });

  test.each([
    [[0.5, 0], "8000000000000000"],
    [[0, 0.5], "80000000"],
    [[0, 0], "0"],
    [[2 ** -32, 2 ** -32], "100000001"],
  ])("random numbers %o make the etag %s", async (numbers, etag) => {
    const { ports } = service({ body: {} });
    const random = { uuid: () => "", number: () => numbers.shift() as number };
    expect(await open({ ...ports, random }).set("a", 1)).toBe(etag);
  });

  test("the SDK gets bytes as bytes, and what it answers is the service's JSON", async () => {
    const inputs: unknown[] = [];
    const item = { value: { B: Uint8Array.of(255) }, etag: { S: "1" } };
    const client = {
      async send(command: { input: unknown }) {
        inputs.push(command.input);
        return { Item: item };
      },
    };
    const state = open(service({ body: {} }).ports, { transport: sdk(client as never) });
    await state.set("a", Uint8Array.of(1, 2));
    expect(inputs).toMatchObject([{ Item: { value: { B: Uint8Array.of(1, 2) } } }]);
    expect(await state.get("a")).toEqual(Uint8Array.of(255));
  });
});

describe("the invocation's end", () => {
  function openFor(ports: Partial<Host>, call: Partial<Call>) {
    const components = { store: declare({ table: "orders", region: "us-east-1", ...credentials }) };
    const runtime = createRuntime({ id: "orders", components, host: processHost("node", ports) });
    return runtime.blocksFor({ ...backgroundCall(undefined), ...call }).state("store");
  }

  test("no retry begins after the deadline", async () => {
    const failing = service(new Error("ECONNRESET"));
    await expect(
      openFor(failing.ports, { deadline: failing.ports.clock.now() }).get("a"),
    ).rejects.toMatchObject({ kind: "unavailable" });
    expect(failing.requests.length).toBe(1);
  });

  test("an abort during a request or a pause rejects with its reason", async () => {
    for (const during of ["request", "pause"]) {
      const controller = new AbortController();
      const reason = new Error("gone");
      const failing = service(new Error("ECONNRESET"));
      const send: Host["send"] = (request) => {
        if (during === "request") controller.abort(reason);
        return failing.ports.send(request);
      };
      const clock = virtualClock();
      const work = openFor({ ...failing.ports, send, clock }, { signal: controller.signal }).get(
        "a",
      );
      const outcome = expect(work).rejects.toBe(reason);
      await new Promise((resolve) => setImmediate(resolve));
      if (during === "pause") controller.abort(reason);
      await outcome;
      expect(failing.requests.length).toBe(1);
    }
  });
});

describe("the clock", () => {
  const date = "Thu, 01 Jan 2026 03:00:00 GMT";

  test.each([
    fault(
      "InvalidSignatureException",
      "Signature expired: 20260101T000000Z is now earlier than 20260101T025500Z",
    ),
    fault("RequestTimeTooSkewed"),
  ])("a skew is corrected by the service's date, once", async (answer) => {
    const skewed = service({ ...answer, headers: { date } }, found("1"), found("1"));
    const state = open(skewed.ports);
    expect(await state.get("a")).toBe(1);
    expect(await state.get("a")).toBe(1);
    expect(skewed.requests.map(({ headers }) => headers["x-amz-date"])).toEqual([
      "20260101T000000Z",
      "20260101T030000Z",
      "20260101T030000Z",
    ]);
    const stuck = service({ ...answer, headers: { date } });
    await expect(open(stuck.ports).get("a")).rejects.toMatchObject({ kind: "config" });
    expect(stuck.requests.length).toBe(2);
  });
});

describe("settings", () => {
  const keys = {
    AWS_ACCESS_KEY_ID: "AKIDENV",
    AWS_SECRET_ACCESS_KEY: "secret-of-env",
    AWS_SESSION_TOKEN: "token-of-env",
  };
  const none = { accessKey: undefined, secretKey: undefined };

  test.each([
    [{ region: undefined }, {}, ["region", "AWS_REGION"]],
    [none, {}, ["accessKey", "secretKey", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]],
    [{ secretKey: undefined }, keys, ["accessKey", "secretKey is missing"]],
    [{ endpoint: "localhost:8000" }, {}, ["endpoint", "localhost:8000"]],
    [{ region: "eu west" }, {}, ["region", "eu west"]],
    [{ partitionKey: "value" }, {}, ["partitionKey"]],
    [{ transport: new DynamoDBClient({}) as never }, {}, ["transport", "sdk(client)"]],
  ] as [Partial<DynamoDBOptions>, Record<string, string>, string[]][])(
    "%o is a configuration error that names what to set",
    async (options, env, names) => {
      const idle = service(found("1"));
      const error = await failureOf((async () => open({ ...idle.ports, env }, options).get("a"))());
      expect(error).toMatchObject({ kind: "config" });
      for (const name of ["component statestore", ...names]) expect(error.message).toContain(name);
      expect(idle.requests).toEqual([]);
    },
  );

  test.each([
    [
      {},
      { AWS_REGION: "eu-west-1", AWS_DEFAULT_REGION: "x" },
      "https://dynamodb.eu-west-1.amazonaws.com/",
    ],
    [{}, { AWS_DEFAULT_REGION: "cn-north-1" }, "https://dynamodb.cn-north-1.amazonaws.com.cn/"],
    [
      { region: "us-east-2" },
      { AWS_REGION: "eu-west-1" },
      "https://dynamodb.us-east-2.amazonaws.com/",
    ],
    [{}, { AWS_REGION: "eu-west-1", AWS_ENDPOINT_URL: "http://h:1" }, "http://h:1/"],
    [
      {},
      {
        AWS_REGION: "eu-west-1",
        AWS_ENDPOINT_URL: "http://h:1",
        AWS_ENDPOINT_URL_DYNAMODB: "http://h:2",
      },
      "http://h:2/",
    ],
    [
      { endpoint: "http://h:3" },
      { AWS_REGION: "eu-west-1", AWS_ENDPOINT_URL: "http://h:1" },
      "http://h:3/",
    ],
  ] as [Partial<DynamoDBOptions>, Record<string, string>, string][])(
    "%o with %o sends to %s",
    async (options, env, url) => {
      const answering = service(found("1"));
      const state = open(
        { ...answering.ports, env: { ...keys, ...env } },
        { ...none, region: undefined, ...options },
      );
      await state.get("a");
      const [request] = answering.requests;
      expect(request?.url).toBe(url);
      expect(request?.headers["x-amz-security-token"]).toBe("token-of-env");
      expect(request?.headers.authorization).toContain("Credential=AKIDENV/20260101/");
    },
  );

  test("the environment's session token does not go with the settings' keys", async () => {
    const answering = service(found("1"));
    await open({ ...answering.ports, env: keys }).get("a");
    expect(answering.requests[0]?.headers).not.toHaveProperty("x-amz-security-token");
  });

  test("reads are consistent only where that is asked for", async () => {
    const answering = service(found("1"));
    const state = open(answering.ports);
    await state.get("a");
    await state.get("a", { consistency: "eventual" });
    expect(answering.bodies().map(({ ConsistentRead }) => ConsistentRead)).toEqual([true, false]);
  });

  test("features follow the settings", () => {
    expect(declare({ table: "t" }).features).toEqual(["ETAG", "TRANSACTIONAL"]);
    expect(declare({ table: "t", ttlAttributeName: "x" }).features).toEqual([
      "ETAG",
      "TRANSACTIONAL",
      "TTL",
    ]);
    expect(declare({ table: "t", scan: true }).features).toEqual(["ETAG", "TRANSACTIONAL", "LIST"]);
  });
});

describe("secrets", () => {
  const sessionToken = "session-token-of-settings";

  test.each([
    fault(
      "InvalidSignatureException",
      `The signature does not match.\n\nThe Canonical String should have been\n'x-amz-security-token:${sessionToken}'`,
      {},
      403,
    ),
    fault("UnrecognizedClientException", "The security token included in the request is invalid."),
    fault("ExpiredTokenException"),
    fault(
      "AccessDeniedException",
      "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:GetItem",
    ),
    new Error("connect ECONNREFUSED"),
  ])("are in no error that follows from %o", async (answer) => {
    const error = await failureOf(open(service(answer).ports, { sessionToken }).get("a"));
    expect(error.kind).toBe(answer instanceof Error ? "unavailable" : "config");
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      expect(`${at.message} ${at.stack}`).not.toContain(credentials.secretKey);
      expect(`${at.message} ${at.stack}`).not.toContain(sessionToken);
    }
  });
});

describe("native", () => {
  test("is a function of operation and input for the light transport", async () => {
    const answering = service({ body: { TableNames: ["orders"] } });
    const call = open(answering.ports).native<
      (operation: string, input: object) => Promise<unknown>
    >();
    expect(await call("ListTables", { Limit: 1 })).toEqual({ TableNames: ["orders"] });
    expect(answering.requests[0]?.headers["x-amz-target"]).toBe("DynamoDB_20120810.ListTables");
  });

  test("is the client for the SDK", () => {
    const client = new DynamoDBClient({ region: "us-east-1" });
    expect(open(service(found("1")).ports, { transport: sdk(client) }).native()).toBe(client);
    expect(ListTablesCommand).toBeDefined();
  });
});

describe("the SDK's own failures", () => {
  test("no credentials, no region: a configuration error, without an attempt", async () => {
    const nobody = async () => {
      throw Object.assign(new Error("Could not load credentials from any providers"), {
        name: "CredentialsProviderError",
      });
    };
    const clients = [
      new DynamoDBClient({ region: "us-east-1", credentials: nobody }),
      new DynamoDBClient({
        region: async () => {
          throw new Error("Region is missing");
        },
        credentials: { accessKeyId: "a", secretAccessKey: "b" },
      }),
    ];
    for (const client of clients) {
      await expect(
        open(service(found("1")).ports, { transport: sdk(client) }).get("a"),
      ).rejects.toMatchObject({ kind: "config" });
    }
  });
});
