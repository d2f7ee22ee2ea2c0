import * as v from "valibot";
import { describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { RequestCall, traceFrom } from "../../src/call.ts";
import type { Component } from "../../src/contracts/component.ts";
import { stateStore } from "../../src/contracts/state.ts";
import { ApiError, type Call, ComponentError, type PillionEvent } from "../../src/index.ts";
import { createRuntime, type RuntimeOptions } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { webHost } from "../../src/web.ts";

function runtimeWith(options: Partial<RuntimeOptions> = {}) {
  return createRuntime({
    id: "app",
    components: { store: memory.state({}) },
    host: webHost("node"),
    ...options,
  });
}

/** A store whose calls wait until they are let go. */
function gatedStore(closed: string[] = []) {
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const component = stateStore({
    type: "state.gated",
    runsOn: ["node"],
    clock: "host",
    fields: {},
    features: () => [],
    open: (_settings, _host, name) => ({
      async get() {
        await gate;
        return { value: { json: '"answer"' }, etag: undefined, expires: undefined };
      },
      set: async () => undefined,
      delete: async () => undefined,
      native: () => undefined,
      async close() {
        closed.push(name);
      },
    }),
  })({});
  return { component, open };
}

describe("what cannot work is said at once, with the component, the setting and the fix", () => {
  const cases: [string, Partial<RuntimeOptions>, RegExp][] = [
    ["an id with ||", { id: "a||b" }, /an app needs an id without "\|\|"/],
    ["an empty id", { id: "" }, /an app needs an id/],
    [
      "something that is not a component",
      { components: { store: {} as Component } },
      /component store is not a component: call its factory/,
    ],
    [
      "an unknown block",
      { components: { x: { ...memory.state({}), type: "teapot.x" as "state.x" } } },
      /component x: teapot\.x belongs to no building block/,
    ],
    [
      "a block that is not built",
      { components: { x: { ...memory.state({}), type: "lock.x" as "state.x" } } },
      /the building block lock is not built yet/,
    ],
    [
      "an unknown setting",
      { components: { store: memory.state({ tabel: "x" } as never) } },
      /component store has no setting tabel: it takes keyPrefix/,
    ],
    [
      "a wrong type",
      { components: { store: memory.state({ keyPrefix: 1 } as never) } },
      /component store: the setting keyPrefix must be a string, not number 1/,
    ],
    [
      "a component of another target",
      { host: webHost("workers"), components: { store: gatedStore().component } },
      /component store: state\.gated does not run on workers, only on node/,
    ],
  ];
  test.each(cases)("%s", (_title, options, message) => {
    expect(() => runtimeWith(options)).toThrow(message);
  });

  test("a missing and an empty required setting, and a secret that is not shown", () => {
    const store = stateStore({
      type: "state.made",
      runsOn: ["node"],
      clock: "host",
      fields: {
        table: { type: "string", required: true, description: "Name of the table." },
        password: { type: "number", sensitive: true, description: "Secret." },
      },
      features: () => [],
      open: () => ({}) as never,
    });
    const made = (options: object) => () =>
      runtimeWith({ components: { store: store(options as never) } });
    for (const missing of [{}, { table: "" }]) {
      expect(made(missing)).toThrow("component store needs the setting table: Name of the table.");
    }
    expect(made({ table: "t", password: "hunter2" })).toThrow(
      "component store: the setting password must be a number, not string",
    );
    expect(made({ table: "t", password: "hunter2" })).not.toThrow(/hunter2/);
  });

  test("an unknown store lists those there are", () => {
    expect(() => runtimeWith().blocks.state("stor")).toThrow(
      expect.objectContaining({
        code: "ERR_STATE_STORE_NOT_FOUND",
        status: 400,
        message: "state store stor is not found: there is store",
      }),
    );
    expect(() => runtimeWith({ components: {} }).blocks.state("store")).toThrow(
      expect.objectContaining({ code: "ERR_STATE_STORE_NOT_CONFIGURED", status: 500 }),
    );
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(() => runtimeWith().blocks.state(name)).toThrow(
        expect.objectContaining({ code: "ERR_STATE_STORE_NOT_FOUND" }),
      );
    }
  });

  test("a block that is not built is absent from the types and named by its error", () => {
    for (const block of [
      "invoke",
      "secrets",
      "configuration",
      "lock",
      "bindings",
      "actors",
      "workflow",
      "jobs",
      "crypto",
    ]) {
      expect(() => (runtimeWith().blocks as unknown as Record<string, unknown>)[block]).toThrow(
        expect.objectContaining({
          code: "ERR_BLOCK_NOT_BUILT",
          message: `the building block ${block} is not built yet`,
        }),
      );
    }
  });
});

describe("key prefixes", () => {
  const stored = async (keyPrefix: string | undefined, env: Record<string, string> = {}) => {
    const runtime = runtimeWith({
      components: { Store: memory.state({ keyPrefix }) },
      id: "App",
      host: webHost("node", { env }),
    });
    await runtime.blocks.state("Store").set("key", 1);
    return [...runtime.blocks.state("Store").native<Map<string, unknown>>().keys()];
  };
  test.each([
    [undefined, {}, "App||key"],
    ["appid", {}, "App||key"],
    ["AppID", {}, "App||key"],
    ["namespace", {}, "App||key"],
    ["namespace", { NAMESPACE: "Prod" }, "Prod.App||key"],
    ["name", {}, "Store||key"],
    ["none", {}, "key"],
    ["Shared", {}, "shared||key"],
  ])("keyPrefix %s with %o stores %s", async (keyPrefix, env, expected) => {
    expect(await stored(keyPrefix, env)).toEqual([expected]);
  });

  test("a literal prefix with || is refused", () => {
    expect(() =>
      runtimeWith({ components: { store: memory.state({ keyPrefix: "a||b" }) } }).blocks.state(
        "store",
      ),
    ).toThrow(/keyPrefix 'a\|\|b' can't contain/);
  });

  test("listing shows keys without their prefix, and neither another app's nor an actor's", async () => {
    const component = memory.state({ keyPrefix: "none" });
    const state = runtimeWith({ components: { store: component } }).blocks.state("store");
    state
      .native<Map<string, unknown>>()
      .set("app||actor||1||k", { value: { json: "1" }, etag: "1" });
    await state.set("mine", 1);
    expect(await state.list()).toEqual({ keys: ["mine"], cursor: undefined });
  });
});

describe("the end of a runtime", () => {
  test("a call under way is waited for, a new one is refused, and components are closed once", async () => {
    const closed: string[] = [];
    const { component, open } = gatedStore(closed);
    const runtime = runtimeWith({ components: { store: component } });
    const state = runtime.blocks.state("store");
    const underWay = state.get("k");
    const end = runtime.close();
    await Promise.resolve();
    await expect(state.get("k")).rejects.toMatchObject({ code: "ERR_RUNTIME_CLOSED", status: 503 });
    expect(closed).toEqual([]);
    open();
    expect(await underWay).toBe("answer");
    await end;
    await runtime.close();
    expect(closed).toEqual(["store"]);
    await expect(state.get("k")).rejects.toMatchObject({ code: "ERR_RUNTIME_CLOSED" });
  });

  test("work that never ends holds up the end no longer than its limit", async () => {
    const closed: string[] = [];
    const { component } = gatedStore(closed);
    const runtime = runtimeWith({ components: { store: component } });
    runtime.blocks.call.waitUntil(new Promise(() => {}));
    const state = runtime.blocks.state("store");
    state.get("k").catch(() => undefined);
    await runtime.close(20);
    expect(closed).toEqual(["store"]);
    await expect(state.get("k")).rejects.toMatchObject({ code: "ERR_RUNTIME_CLOSED" });
    expect(() => state.native()).toThrow(expect.objectContaining({ code: "ERR_RUNTIME_CLOSED" }));
    expect(() => runtime.blocks.state("other")).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_CLOSED" }),
    );
  });

  test("an update under way is one call, and ends before the runtime does", async () => {
    const runtime = runtimeWith();
    const state = runtime.blocks.state("store");
    let go = () => {};
    const wait = new Promise<void>((resolve) => (go = resolve));
    const update = state.update("n", async () => {
      await wait;
      return 1;
    });
    const end = runtime.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    go();
    expect(await update).toBe(1);
    await end;
  });

  test("background work is waited for, and its failure is an event", async () => {
    const events: PillionEvent[] = [];
    const runtime = runtimeWith({ onEvent: (event) => events.push(event) });
    let done = false;
    runtime.blocks.call.waitUntil(
      (async () => {
        // Not counted as a call while it sleeps: only waiting for the work itself keeps the runtime open.
        await new Promise((resolve) => setTimeout(resolve, 10));
        await runtime.blocks.state("store").set("k", 1);
        done = true;
        throw new Error("late");
      })(),
    );
    await runtime.close();
    expect(done).toBe(true);
    expect(events).toContainEqual({ type: "waituntil.failed", error: new Error("late") });
  });

  test("await using closes", async () => {
    const closed: string[] = [];
    const { component, open } = gatedStore(closed);
    open();
    {
      await using runtime = runtimeWith({ components: { store: component } });
      await runtime.blocks.state("store").get("k");
    }
    expect(closed).toEqual(["store"]);
  });

  test("a component that was never used is never opened", async () => {
    const closed: string[] = [];
    await runtimeWith({ components: { store: gatedStore(closed).component } }).close();
    expect(closed).toEqual([]);
  });
});

describe("events", () => {
  test("calls, failures and conflicts are reported without keys' values", async () => {
    const events: PillionEvent[] = [];
    const clock = virtualClock(0);
    const runtime = runtimeWith({
      onEvent: (event) => events.push(event),
      host: webHost("node", { clock }),
    });
    const state = runtime.blocks.state("store");
    await state.set("k", "secret value");
    await state.set("k", 1, { etag: "stale" }).catch(() => undefined);
    expect(events).toEqual([
      { type: "component.opened", component: "store", componentType: "state.in-memory" },
      { type: "state.call", component: "store", operation: "set", durationMs: 0, error: undefined },
      {
        type: "state.call",
        component: "store",
        operation: "set",
        durationMs: 0,
        error: { code: "ERR_STATE_SAVE", kind: "etag-mismatch" },
      },
    ]);
    expect(JSON.stringify(events)).not.toContain("secret value");
  });

  test("a conflict in update() is reported and tried again", async () => {
    const events: PillionEvent[] = [];
    const state = runtimeWith({ onEvent: (event) => events.push(event) }).blocks.state("store");
    await state.set("n", 1);
    let meddle = true;
    const result = await state.update("n", async (value: number | undefined) => {
      if (meddle) await state.set("n", 10);
      meddle = false;
      return (value ?? 0) + 1;
    });
    expect(result).toBe(11);
    expect(events.filter(({ type }) => type === "state.conflict")).toEqual([
      { type: "state.conflict", component: "store", key: "n", attempt: 1 },
    ]);
  });

  test("a listener that throws fails nothing", async () => {
    const onEvent = () => {
      throw new Error("the listener's own");
    };
    const state = runtimeWith({ onEvent }).blocks.state("store");
    await state.set("k", 1);
    expect(await state.get("k")).toBe(1);
  });

  test("an aborted call is an event of its own error", async () => {
    const events: PillionEvent[] = [];
    const call: Call = {
      signal: AbortSignal.abort(new Error("gone")),
      trace: {},
      deadline: undefined,
      waitUntil() {},
    };
    const runtime = runtimeWith({ onEvent: (event) => events.push(event) });
    await expect(runtime.blocksFor(call).state("store").get("k")).rejects.toThrow("gone");
    expect(events.at(-1)).toMatchObject({ type: "state.call", error: { code: "ERR_STATE_GET" } });
  });

  test("update() refuses an item without an ETag, which it could not change safely", async () => {
    const state = runtimeWith().blocks.state("store");
    const items = state.native<Map<string, unknown>>();
    items.set("app||n", { value: { json: "1" }, etag: undefined, expires: undefined });
    await expect(state.update("n", () => 2)).rejects.toMatchObject({
      code: "ERR_STATE_SAVE",
      kind: "etag-invalid",
      message: expect.stringMatching(/item n of state store store has no etag/),
    });
    expect(await state.get("n")).toBe(1);
  });

  test("update() gives up after its attempts with the conflict", async () => {
    const state = runtimeWith().blocks.state("store");
    const work = state.update(
      "n",
      async (n: number | undefined) => {
        await state.set("n", (n ?? 0) + 1);
        return 0;
      },
      { attempts: 3 },
    );
    await expect(work).rejects.toMatchObject({ kind: "etag-mismatch" });
    expect(await state.get("n")).toBe(3);
  });
});

describe("a typed handle", () => {
  const Order = v.object({
    id: v.string(),
    placed: v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    ),
  });

  test("checks on the way in and parses on the way out", async () => {
    const { state } = runtimeWith().blocks;
    const orders = state("store", Order);
    await orders.set("1", { id: "1", placed: "2026-11-24T00:00:00.000Z" });
    expect((await orders.get("1"))?.placed).toEqual(new Date("2026-11-24"));
    expect(await state("store").get("1")).toEqual({ id: "1", placed: "2026-11-24T00:00:00.000Z" });
  });

  test("refuses what does not fit, and names the place", async () => {
    const { state } = runtimeWith().blocks;
    const orders = state("store", Order);
    await expect(orders.set("1", { id: 1 } as never)).rejects.toMatchObject({
      code: "ERR_STATE_SAVE",
      status: 400,
      message: expect.stringMatching(/value of 1 does not fit its schema: id: /),
    });
    await expect(
      orders.transaction([{ operation: "upsert", key: "1", value: {} as never }]),
    ).rejects.toMatchObject({ code: "ERR_STATE_TRANSACTION", kind: "invalid" });
    expect(await state("store").get("1")).toBeUndefined();
    await state("store").set("1", { id: 7 });
    await expect(orders.get("1")).rejects.toMatchObject({
      code: "ERR_STATE_GET",
      kind: "corrupt",
      status: 500,
    });
    expect((await orders.getBulk(["1", "2"])).map(({ key, value }) => [key, value])).toEqual([
      ["1", undefined],
      ["2", undefined],
    ]);
    expect((await orders.getBulk(["1"]))[0]).toMatchObject({ error: { code: "ERR_STATE_GET" } });
  });
});

describe("an invocation", () => {
  test("follows its client until there is work that outlives it", async () => {
    const controller = new AbortController();
    const request = new Request("http://x/", { signal: controller.signal });
    const call = new RequestCall(request, () => {});
    const state = runtimeWith().blocksFor(call).state("store");
    controller.abort(new Error("left"));
    await expect(state.get("k")).rejects.toThrow("left");
    call.waitUntil(Promise.resolve());
    await state.set("k", 1);
    expect(await state.get("k")).toBe(1);
  });

  test("takes only a traceparent that is one, and baggage in any case", () => {
    const trace = (traceparent: string) =>
      traceFrom((name) => ({ traceparent, tracestate: "t=1", baggage: "a=1" })[name]);
    const sound = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(trace(sound)).toEqual({ traceparent: sound, tracestate: "t=1", baggage: "a=1" });
    for (const bad of ["", "x", sound.toUpperCase(), sound.slice(1), `${sound}junk`])
      expect(trace(bad)).toEqual({ baggage: "a=1" });
  });

  test("an aborted signal stops the next call, with the signal's reason", async () => {
    const controller = new AbortController();
    const call: Call = {
      signal: controller.signal,
      trace: {},
      deadline: undefined,
      waitUntil() {},
    };
    const state = runtimeWith().blocksFor(call).state("store");
    await state.set("k", 1);
    const reason = new Error("gone");
    controller.abort(reason);
    await expect(state.set("k", 2)).rejects.toBe(reason);
    await expect(state.update("k", () => 2)).rejects.toBe(reason);
  });

  test("blocks may be taken apart", async () => {
    const { state, call } = runtimeWith().blocks;
    const { set, get, update } = state("store");
    await set("k", 1);
    await update("k", (n: number | undefined) => (n ?? 0) + 1);
    expect(await get("k")).toBe(2);
    expect(call.trace).toEqual({});
  });

  test("bulk calls keep to their parallelism", async () => {
    let now = 0;
    let most = 0;
    const component = stateStore({
      type: "state.counting",
      runsOn: ["node"],
      clock: "host",
      fields: {},
      features: () => [],
      open: () => ({
        async get() {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setImmediate(resolve));
          now--;
          return undefined;
        },
        set: async () => undefined,
        delete: async () => undefined,
        native: () => undefined,
      }),
    })({});
    const state = runtimeWith({ components: { store: component } }).blocks.state("store");
    const keys = Array.from({ length: 50 }, (_, index) => `k${index}`);
    await state.getBulk(keys, { parallelism: 3 });
    expect(most).toBe(3);
    most = 0;
    await state.getBulk(keys);
    expect(most).toBe(16);
    await expect(state.getBulk(keys, { parallelism: 0 })).rejects.toMatchObject({
      code: "ERR_MALFORMED_REQUEST",
    });
  });
});

describe("bulk reads of a store that reads in batches", () => {
  function batching(fail?: number) {
    const batches: string[][] = [];
    let now = 0;
    let most = 0;
    const component = stateStore({
      type: "state.batching",
      runsOn: ["node"],
      clock: "host",
      fields: {},
      features: () => [],
      open: () => ({
        maxBulkKeys: 10,
        get: async () => undefined,
        async getBulk(keys) {
          const batch = batches.push([...keys]);
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 2));
          now--;
          if (batch === fail) throw new ComponentError("unavailable", "down");
          return keys.map((key) =>
            key.endsWith("bad")
              ? new ComponentError("invalid", "unreadable")
              : { value: { json: JSON.stringify(key) }, etag: "1", expires: undefined },
          );
        },
        set: async () => undefined,
        delete: async () => undefined,
        native: () => undefined,
      }),
    })({});
    const state = runtimeWith({ components: { store: component } }).blocks.state("store");
    return { state, batches, under: () => now, most: () => most };
  }
  const keys = Array.from({ length: 95 }, (_, index) => `k${index}`);

  test("come in batches that the store takes, at most parallelism at a time, each key once", async () => {
    const { state, batches, most } = batching();
    const items = await state.getBulk([...keys, "k0"], { parallelism: 3 });
    expect(items.map(({ value }) => value)).toEqual([...keys, "k0"].map((key) => `app||${key}`));
    expect(batches.map(({ length }) => length)).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
    expect(most()).toBe(3);
  });

  test("an item that cannot be read is an error in its place", async () => {
    const items = await batching().state.getBulk(["a", "bad"]);
    expect(items).toMatchObject([
      { key: "a", value: "app||a" },
      { key: "bad", error: { code: "ERR_STATE_GET", kind: "invalid" } },
    ]);
  });

  test("a batch that fails ends the call, and nothing runs on behind it", async () => {
    const { state, batches, under } = batching(2);
    await expect(state.getBulk(keys, { parallelism: 2 })).rejects.toMatchObject({
      code: "ERR_STATE_BULK_GET",
      kind: "unavailable",
    });
    expect(under()).toBe(0);
    const begun = batches.length;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(batches.length).toBe(begun);
    expect(begun).toBeLessThan(5);
  });
});

test("bulk writes that fail in different ways have no kind, and the code's own status", async () => {
  const state = runtimeWith().blocks.state("store");
  await state.set("k", 1);
  const work = state.setBulk([
    { key: "k", value: 2, etag: "stale" },
    { key: "j", value: () => 1 },
  ]);
  await expect(work).rejects.toMatchObject({
    code: "ERR_STATE_SAVE",
    status: 500,
    kind: undefined,
    failures: [
      { key: "k", error: { kind: "etag-mismatch" } },
      { key: "j", error: { kind: "invalid" } },
    ],
  });
});

describe("a component that breaks its contract", () => {
  test.each(["TRANSACTIONAL", "LIST"] as const)(
    "claiming %s without the method does not open",
    (feature) => {
      const store = {
        get: async () => undefined,
        set: async () => undefined,
        delete: async () => undefined,
        native: () => undefined,
      };
      const component = stateStore({
        type: "state.liar",
        runsOn: ["node"],
        clock: "host",
        fields: {},
        features: () => [feature],
        open: () => store,
      })({});
      expect(() => runtimeWith({ components: { store: component } }).blocks.state("store")).toThrow(
        `component store: state.liar claims ${feature} and has no method for it`,
      );
    },
  );
});

describe("ApiError", () => {
  test("renders itself as Dapr's API does", async () => {
    const response = new ApiError("ERR_STATE_SAVE", "no", {
      kind: "etag-mismatch",
      status: 409,
    }).getResponse();
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      409,
      "application/json",
      '{"errorCode":"ERR_STATE_SAVE","message":"no"}',
    ]);
  });

  test("is not anything that only has the name", () => {
    const other = Object.assign(new Error("x"), { name: "ApiError" });
    expect(ApiError.is(other)).toBe(false);
  });

  test("is told by name, kind or code, not by class", () => {
    const foreign = Object.assign(new Error("x"), {
      name: "ApiError",
      code: "ERR_STATE_GET",
      kind: "unavailable",
    });
    expect([
      ApiError.is(foreign),
      ApiError.is(foreign, "unavailable"),
      ApiError.is(foreign, "ERR_STATE_GET"),
      ApiError.is(foreign, "config"),
      ApiError.is(new Error("x")),
    ]).toEqual([true, true, true, false, false]);
  });
});
