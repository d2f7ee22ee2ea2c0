import { Hono } from "hono";
import { afterEach, describe, expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import * as redis from "../../bindings/node/redis.ts";
import {
  ApiError,
  type Blocks,
  defineApp,
  type FetchHandler,
  type PillionEnv,
  type PillionEvent,
  pillion,
  subscribe,
} from "../../src/index.ts";
import { type HttpResult, open, serve } from "../../targets/lambda/index.ts";

afterEach(() => vi.unstubAllEnvs());

describe("events that are not HTTP are refused by name", () => {
  test.each([
    [{ Records: [{ eventSource: "aws:sqs" }] }, "an aws:sqs event"],
    [{ Records: [{ EventSource: "aws:sns" }] }, "an aws:sns event"],
    [{ eventSource: "aws:kafka", records: {} }, "an aws:kafka event"],
    [{ version: "0", source: "aws.s3", "detail-type": "Object Created" }, "an EventBridge event"],
    [
      { requestContext: { connectionId: "c", routeKey: "$connect" } },
      "an API Gateway WebSocket event",
    ],
    [
      { version: "2.0", path: "/", requestContext: { serviceArn: "arn" } },
      "an event with the fields version, path, requestContext",
    ],
    [
      { deliveryStreamArn: "arn", records: [] },
      "an event with the fields deliveryStreamArn, records",
    ],
    [
      { type: "REQUEST", methodArn: "arn", path: "/", httpMethod: "GET", requestContext: {} },
      "an event with the fields type, methodArn, path, httpMethod, requestContext",
    ],
    [
      { tasks: [], invocationSchemaVersion: "2.0" },
      "an event with the fields tasks, invocationSchemaVersion",
    ],
    [{ DurableExecutionArn: "arn" }, "an event with the fields DurableExecutionArn"],
    [{ orderId: "secret-value" }, "an event with the fields orderId"],
    [
      { version: "2.0", rawPath: 7, requestContext: { http: { method: "GET" } } },
      "an event with the fields version, rawPath, requestContext",
    ],
    [{}, "an empty event"],
    [null, "no event"],
    [undefined, "no event"],
    ["text", "a string"],
    [[1], "a list"],
  ])("%j is %s", async (event, name) => {
    const error = await answer(event, () => new Response()).catch((error: unknown) => error);
    expect(ApiError.is(error, "ERR_CONFIGURATION")).toBe(true);
    expect((error as Error).message).toBe(
      `serve(app) answers HTTP events and was given ${name}: export a handler for it with withPillion(handler, { id, components })`,
    );
  });
});

test("a subscription to a broker that has to be pulled from is refused, and publishing is not", () => {
  const components = { bus: redis.pubsub({ redisHost: "127.0.0.1:1" }) };
  const http = () => new Response();
  const app = (...subscriptions: ReturnType<typeof subscribe>[]) =>
    defineApp({ id: "app", fetch: http, subscriptions });
  expect(() => serve(app(subscribe("bus", "orders", () => undefined)), { components })).toThrow(
    "cannot subscribe to topic orders of bus: nothing brings the messages of pubsub.redis to lambda, and nothing runs between invocations to fetch them. Use pubsub.cloudflare.queues on Workers, pubsub.aws.snssqs on Lambda",
  );
  expect(() => serve(app(), { components })).not.toThrow();
});

describe("an app that fails", () => {
  test("answers 500 without a word of why, which the listener hears", async () => {
    const events: PillionEvent[] = [];
    const failure = new Error("password hunter2");
    const result = await answer(get("/"), () => Promise.reject(failure), {
      onEvent: (event) => events.push(event),
    });
    expect(result).toEqual({
      statusCode: 500,
      headers: { "content-type": "application/json" },
      body: '{"errorCode":"ERROR","message":"internal error"}',
      isBase64Encoded: false,
    });
    expect(events).toEqual([{ type: "handler.failed", error: failure }]);
  });

  test("answers for itself where its error can", async () => {
    const teapot = () => {
      throw Object.assign(new Error("short and stout"), {
        getResponse: () => new Response("tea", { status: 418 }),
      });
    };
    expect(await answer(get("/"), teapot)).toMatchObject({ statusCode: 418, body: "tea" });
  });

  test("answers 500 for a body that fails half-way, and for what is no response", async () => {
    const broken = () =>
      new Response(new ReadableStream({ pull: (stream) => stream.error(new Error("cut")) }));
    expect(await answer(get("/"), broken)).toMatchObject({ statusCode: 500 });
    expect(await answer(get("/"), (() => undefined) as unknown as FetchHandler)).toMatchObject({
      statusCode: 500,
    });
  });

  test("without fetch is refused at INIT", () => {
    expect(() => serve({ id: "orders" })).toThrow(
      "app orders has no fetch: defineApp({ id, fetch: http.fetch })",
    );
  });
});

describe("an invocation", () => {
  test("has its headers' trace, its deadline, and a signal that ends it a little earlier", async () => {
    const before = Date.now();
    let reason: unknown;
    await inBlocks(
      async ({ call }) => {
        expect(call.trace).toEqual({ traceparent, baggage: "a=1" });
        expect(call.deadline).toBeGreaterThanOrEqual(before + 300);
        expect(call.deadline).toBeLessThan(before + 600);
        expect(call.signal).toBe(call.signal);
        // The timer must not keep a sandbox alive by itself, so something else does.
        await new Promise<void>((resolve) => {
          const alive = setTimeout(() => {}, 2000);
          call.signal?.addEventListener("abort", () => {
            reason = call.signal?.reason;
            expect(Date.now()).toBeLessThan(call.deadline as number);
            clearTimeout(alive);
            resolve();
          });
        });
      },
      { headers: { TraceParent: traceparent, baggage: "a=1" }, remainingMs: 300 },
    );
    expect(reason).toMatchObject({
      name: "TimeoutError",
      message: "the function is about to time out",
    });
  });

  test("that ended aborts nothing any more", async () => {
    let signal: AbortSignal | undefined;
    await inBlocks(({ call }) => void (signal = call.signal), { remainingMs: 260 });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(signal?.aborted).toBe(false);
  });

  test("waits for waitUntil work, also for what was added meanwhile, and reports what failed", async () => {
    const done: string[] = [];
    const events: PillionEvent[] = [];
    await inBlocks(
      ({ call }) => {
        call.waitUntil(
          later(20).then(() => {
            done.push("first");
            call.waitUntil(later(20).then(() => done.push("second")));
          }),
        );
        call.waitUntil(Promise.reject(new Error("lost")));
      },
      { onEvent: (event) => events.push(event) },
    );
    expect(done).toEqual(["first", "second"]);
    expect(events).toEqual([{ type: "waituntil.failed", error: new Error("lost") }]);
  });

  test("answers before its deadline whatever waitUntil work does", async () => {
    const events: PillionEvent[] = [];
    const result = await inBlocks(({ call }) => call.waitUntil(new Promise(() => {})), {
      remainingMs: 250,
      onEvent: (event) => events.push(event),
    });
    expect(result.statusCode).toBe(200);
    expect(events).toMatchObject([{ type: "waituntil.failed", error: { name: "TimeoutError" } }]);
  });

  test("makes its blocks once, and needs no context from a unit test", async () => {
    let first: Blocks | undefined;
    const http = new Hono<PillionEnv>().use(
      pillion(),
      async (c, next) => {
        first = c.var.blocks;
        await next();
      },
      pillion(),
    );
    http.get("/", (c) =>
      c.json({ same: c.var.blocks === first, deadline: c.var.blocks.call.deadline ?? null }),
    );
    const handler = serve(defineApp({ id: "orders", fetch: http.fetch }));
    const { body } = await handler(get("/"), {} as never);
    expect(JSON.parse(body)).toEqual({ same: true, deadline: null });
  });

  test("gives Hono the event and the context, and the variables beside them", async () => {
    vi.stubEnv("GREETING", "hello");
    const event = get("/");
    const http = new Hono<{ Bindings: Record<string, unknown> }>().get(
      "/",
      ({ env, executionCtx }) => {
        expect(env).toMatchObject({
          event,
          requestContext: event.requestContext,
          lambdaContext: { awsRequestId: "r" },
        });
        executionCtx.passThroughOnException();
        return new Response(String(env.GREETING));
      },
    );
    expect((await answer(event, http.fetch)).body).toBe("hello");
  });
});

describe("the default state store", () => {
  test("names the variable it needs and what to paste into serverless.yml", async () => {
    vi.stubEnv("PILLION_TABLE", "");
    const { statusCode, body } = await inBlocks(({ state }) => state("statestore").get("k"));
    const { errorCode, message } = JSON.parse(body) as { errorCode: string; message: string };
    expect({ statusCode, errorCode }).toEqual({ statusCode: 500, errorCode: "ERR_CONFIGURATION" });
    expect(message).toContain("the default state store needs the variable PILLION_TABLE");
    expect(message).toContain("    PILLION_TABLE: !Ref PillionTable");
  });

  test("is the table of that variable", async () => {
    vi.stubEnv("PILLION_TABLE", "orders");
    const types: string[] = [];
    const onEvent = (event: PillionEvent) =>
      event.type === "component.opened" && types.push(event.componentType);
    await inBlocks(({ state }) => void state("statestore"), { onEvent });
    expect(types).toEqual(["state.aws.dynamodb"]);
  });

  test("gives way to a declared one, and is not there for other names", async () => {
    const components = { statestore: memory.state({}) };
    await using runtime = await open(defineApp({ id: "orders" }), { components });
    await runtime.blocks.state("statestore").set("k", 1);
    expect(await runtime.blocks.state("statestore").get("k")).toBe(1);
    expect(() => runtime.blocks.state("other")).toThrow(
      "state store other is not found: there is statestore",
    );
  });
});

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

interface Settings {
  headers?: Record<string, string>;
  remainingMs?: number;
  onEvent?: (event: PillionEvent) => void;
}

/** Serves one request to an app that does nothing but `work` with its blocks. */
function inBlocks(work: (blocks: Blocks) => unknown, settings: Settings = {}): Promise<HttpResult> {
  const http = new Hono<PillionEnv>().use(pillion()).get("/", async (c) => {
    await work(c.var.blocks);
    return c.text("done");
  });
  http.onError((error, c) =>
    ApiError.is(error) ? error.getResponse() : c.text(String(error), 500),
  );
  return answer(get("/", settings.headers), http.fetch, settings);
}

function answer(event: unknown, fetch: FetchHandler, settings: Settings = {}): Promise<HttpResult> {
  const { remainingMs = 1000, onEvent } = settings;
  const handler = serve(defineApp({ id: "orders", fetch }), { onEvent });
  return handler(event, { awsRequestId: "r", getRemainingTimeInMillis: () => remainingMs });
}

function get(rawPath: string, headers: Record<string, string> = {}) {
  return {
    version: "2.0",
    rawPath,
    rawQueryString: "",
    headers: { host: "example.com", ...headers },
    requestContext: { http: { method: "GET" }, stage: "$default" },
  };
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
