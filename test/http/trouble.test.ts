import { describe, expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { requestOf, throughHandle } from "./_run.ts";
import { apiWith, errorOf, failing, senderOf } from "./_stores.ts";

const path = "/v1.0/state/store";

describe("requests beside each other", () => {
  /** A store whose reads wait until they are let go, or their caller leaves. */
  function waiting() {
    let open = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const calls: Call[] = [];
    const found = senderOf({
      async get(key, _options, call) {
        calls.push(call);
        await new Promise<void>((resolve, reject) => {
          void gate.then(resolve);
          call.signal?.addEventListener("abort", () => reject(call.signal?.reason));
        });
        return { value: { json: JSON.stringify(key) }, etag: undefined, expires: undefined };
      },
    });
    return { ...found, open, calls };
  }

  test("one whose caller leaves ends, and the others are answered", async () => {
    const { api, open, calls, events } = waiting();
    const leaving = new AbortController();
    const { signal } = leaving;
    const left = api.handle(requestOf("GET", `${path}/left`, { signal }));
    const stay = ["a", "b", "c"].map((key) => api.handle(requestOf("GET", `${path}/${key}`)));
    await vi.waitFor(() => expect(calls.length).toBe(4));
    leaving.abort(new Error("gone"));
    expect((await left).status).toBe(500);
    open();
    const bodies = (await Promise.all(stay)).map(({ body }) => body);
    expect(bodies).toEqual(['"app||a"', '"app||b"', '"app||c"']);
    expect(events.filter(({ type }) => type === "handler.failed")).toEqual([]);
  });

  test("each has its own trace", async () => {
    const { api, open, calls } = waiting();
    const traceparents = [1, 2].map((n) => `00-${String(n).repeat(32)}-${"a".repeat(16)}-01`);
    const all = traceparents.map((traceparent) =>
      api.handle(requestOf("GET", `${path}/a`, { headers: { traceparent } })),
    );
    await vi.waitFor(() => expect(calls.length).toBe(2));
    open();
    expect((await Promise.all(all)).map(({ headers }) => headers.traceparent)).toEqual(
      traceparents,
    );
    expect(calls.map(({ trace }) => trace.traceparent)).toEqual(traceparents);
  });

  test("work that outlives its request is waited for by close, and follows no caller", async () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const leaving = new AbortController();
    let signal: AbortSignal | undefined;
    const { api } = senderOf({
      async get(_key, _options, call) {
        call.waitUntil(ended);
        signal = call.signal;
        return undefined;
      },
    });
    await api.handle(requestOf("GET", `${path}/a`, { signal: leaving.signal }));
    let closed = false;
    const closing = api.close().then(() => (closed = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([closed, signal]).toEqual([false, undefined]);
    end();
    await closing;
  });
});

describe("what nobody foresaw", () => {
  test("is 500 without a word of it, and told to the listener", async () => {
    const { api, events } = apiWith();
    const request = requestOf("GET", `${path}/a`);
    const header = () => {
      throw new TypeError("secret");
    };
    const got = await api.handle({ ...request, header });
    expect([got.status, got.body]).toEqual([
      500,
      '{"errorCode":"ERROR","message":"internal error"}',
    ]);
    expect(events.map(({ type }) => type)).toEqual(["handler.failed"]);
  });

  test("a runtime that is closed answers so", async () => {
    const { send, runtime } = senderOf({});
    await send("GET", `${path}/a`);
    await runtime.close();
    expect(errorOf(await send("GET", `${path}/a`))).toMatchObject({
      status: 503,
      errorCode: "ERR_RUNTIME_CLOSED",
    });
  });

  test("a component that does not open names what is wrong", async () => {
    const component = { ...memory.state({}), open: () => failing("config")() as never };
    const broken = {
      ...component,
      open: () => {
        throw new ComponentError("config", "component store: set the variable X");
      },
    };
    const { api } = apiWith({ components: { store: broken } });
    const got = await throughHandle(api)({ method: "GET", path: `${path}/a`, headers: {} });
    expect(errorOf(got)).toEqual({
      status: 500,
      errorCode: "ERR_CONFIGURATION",
      message: "component store: set the variable X",
    });
  });
});

describe("input that is slow to look at", () => {
  test("baggage of many blanks is refused like any other that is none", async () => {
    const { send } = senderOf({});
    const baggage = `a=b${";a=  ".repeat(900)}"`;
    expect(await send("GET", "/v1.0/metadata", undefined, { baggage })).toMatchObject({
      status: 400,
      body: "invalid baggage header\n",
    });
    const sound = `a=b${";a=  ".repeat(10)};c=d , e = f;g`;
    expect((await send("GET", "/v1.0/metadata", undefined, { baggage: sound })).status).toBe(200);
  });

  test("long rows of digits are text or numbers, and no number without an end is stored", async () => {
    const { send } = senderOf({});
    const digits = JSON.stringify([{ key: "k", value: Array(1000).fill("1".repeat(305)) }]);
    expect((await send("POST", path, digits)).status).toBe(204);
    for (const endless of [`1${"0".repeat(300)}e10`, "1e999", "1".repeat(400)]) {
      const body = `[{"key":"k","value":${endless}}]`;
      expect((await send("POST", path, body)).status).toBe(400);
    }
  });
});
