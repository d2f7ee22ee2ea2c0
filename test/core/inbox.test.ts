import { afterEach, describe, expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { receive } from "../../src/blocks/pubsub/receive.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import { type PubSub, pubSub, type SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { type StateStore, stateStore } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import type { PillionEvent } from "../../src/events.ts";
import { type Handler, type SubscribeOptions, subscribe } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";

const started: Runtime[] = [];
afterEach(() => Promise.all(started.splice(0).map((runtime) => runtime.close())));

/** A broker whose messages the test delivers itself. */
async function bed(
  handler: Handler,
  options: SubscribeOptions = {},
  statestore: Component = memory.state({}),
) {
  let request: SubscribeRequest | undefined;
  const broker: PubSub = {
    publish: async () => undefined,
    async subscribe(asked) {
      request = asked;
      return { stop: async () => undefined };
    },
    native: () => undefined,
  };
  const pubsub = pubSub({
    type: "pubsub.manual",
    runsOn: ["node"],
    fields: {},
    features: () => [],
    open: () => broker,
  })({});
  const events: PillionEvent[] = [];
  const clock = virtualClock();
  const runtime = createRuntime({
    id: "shop",
    components: { pubsub, statestore },
    host: processHost("node", { clock }),
    onEvent: (event) => events.push(event),
  });
  started.push(runtime);
  await startSubscriptions(runtime, [
    subscribe("pubsub", "orders", handler, { idempotent: inbox(), ...options }),
  ]);
  let count = 0;
  const deliver = (event: unknown) => {
    const message = { id: `m${++count}`, topic: "orders", metadata: {}, attempt: 1 };
    const data = typeof event === "string" ? event : JSON.stringify(event);
    return request?.deliver({ ...message, data });
  };
  const repeated = () => events.filter(({ type }) => type === "pubsub.repeated").length;
  const state = runtime.blocks.state("statestore");
  return { runtime, deliver, repeated, state, clock, events };
}

const event = (id: string) => ({ id, specversion: "1.0", source: "s", type: "t", data: 1 });

/** Counts in a transaction under the ETag it read. */
const counting: Handler = async (_event, { state }) => {
  const store = state("statestore");
  const item = await store.getItem<number>("count");
  const value = (item?.value ?? 0) + 1;
  const condition = item ? { etag: item.etag } : ({ concurrency: "first-write" } as const);
  await store.transaction([{ operation: "upsert", key: "count", value, ...condition }]);
};

describe("an event that comes again", () => {
  test("is acknowledged, and its handler does not run", async () => {
    const handler = vi.fn(counting);
    const { deliver, repeated, state } = await bed(handler);
    expect(await deliver(event("1"))).toEqual({ is: "done" });
    expect(await deliver(event("1"))).toEqual({ is: "done" });
    expect(await deliver(event("2"))).toEqual({ is: "done" });
    expect(handler).toHaveBeenCalledTimes(2);
    expect(repeated()).toBe(1);
    expect(await state.get("count")).toBe(2);
    expect((await state.list()).keys).toEqual(["count"]);
  });

  test("is another where only its id is the same, and its source is another's", async () => {
    const handler = vi.fn(counting);
    const { deliver, repeated } = await bed(handler);
    for (const source of ["one", "other", "one"]) await deliver({ ...event("1"), source });
    expect(handler).toHaveBeenCalledTimes(2);
    expect(repeated()).toBe(1);
  });

  test("is known also of a handler without a transaction, and after one that asked for nothing to be kept, it is not", async () => {
    const answers = ["RETRY", "DROP", undefined] as const;
    const handler = vi.fn(() => answers[handler.mock.calls.length - 1]);
    const { deliver, repeated } = await bed(handler as Handler);
    for (let time = 0; time < 5; time++) await deliver(event("1"));
    expect(handler).toHaveBeenCalledTimes(3);
    expect(repeated()).toBe(2);
  });

  test("runs its handler again that threw before its transaction, and not one that threw after it", async () => {
    const before = vi.fn(async (...parameters: Parameters<Handler>) => {
      if (before.mock.calls.length === 1) throw new Error("before");
      return counting(...parameters);
    });
    const first = await bed(before as Handler);
    expect(await first.deliver(event("1"))).toMatchObject({ is: "retry" });
    expect(await first.deliver(event("1"))).toEqual({ is: "done" });
    expect(await first.state.get("count")).toBe(1);

    const after = vi.fn(async (...parameters: Parameters<Handler>) => {
      await counting(...parameters);
      throw new Error("after");
    });
    const second = await bed(after as Handler);
    expect(await second.deliver(event("1"))).toMatchObject({ is: "retry" });
    expect(await second.deliver(event("1"))).toEqual({ is: "done" });
    expect(await second.state.get("count")).toBe(1);
    expect(after).toHaveBeenCalledTimes(1);
  });

  test("at the same time leaves the writes of one delivery, also where the other catches its error", async () => {
    let running = 0;
    let release = () => {};
    const both = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { deliver, repeated, state } = await bed(async (_event, { state }) => {
      if (++running === 2) release();
      await both;
      const own = `by-${running++}`;
      await state("statestore")
        .transaction([{ operation: "upsert", key: own, value: 1 }])
        .catch(() => undefined);
    });
    const outcomes = await Promise.all([deliver(event("1")), deliver(event("1"))]);
    expect(outcomes).toEqual([{ is: "done" }, { is: "done" }]);
    expect((await state.list()).keys).toHaveLength(1);
    expect(repeated()).toBe(1);
  });

  test("of a raw payload goes by the broker's id, which a new message has its own of", async () => {
    const handler = vi.fn();
    const { deliver, repeated } = await bed(handler, { rawPayload: true });
    await deliver("plain");
    await deliver("plain");
    expect(handler).toHaveBeenCalledTimes(2);
    expect(repeated()).toBe(0);
  });

  test("is forgotten when its time is over", async () => {
    const handler = vi.fn();
    const { deliver, clock } = await bed(handler, {
      idempotent: inbox("statestore", { ttlInSeconds: 60 }),
    });
    await deliver(event("1"));
    clock.advance(59_000);
    await deliver(event("1"));
    expect(handler).toHaveBeenCalledTimes(1);
    clock.advance(3_000);
    await deliver(event("1"));
    expect(handler).toHaveBeenCalledTimes(2);
  });

  test.each([`\u0000"||["`, "\ud800", "||", "x".repeat(900)])("may have the id %j", async (id) => {
    const handler = vi.fn();
    const { deliver } = await bed(handler);
    await deliver(event(id));
    await deliver(event(id));
    await deliver(event(`${id}2`));
    expect(handler).toHaveBeenCalledTimes(2);
  });
});

describe("the handler's own conflict", () => {
  test("is no repetition: the event comes again, and nothing of it was kept", async () => {
    let wrong = true;
    const { deliver, repeated, state } = await bed(async (_event, { state }) => {
      const condition = wrong ? { etag: "no such" } : {};
      wrong = false;
      await state("statestore").transaction([
        { operation: "upsert", key: "k", value: 1, ...condition },
      ]);
    });
    expect(await deliver(event("1"))).toMatchObject({ is: "retry" });
    expect(await state.get("k")).toBeUndefined();
    expect(await deliver(event("1"))).toEqual({ is: "done" });
    expect(await state.get("k")).toBe(1);
    expect(repeated()).toBe(0);
  });

  test("leaves the memory to its next transaction, and further ones are done without", async () => {
    const { deliver, state } = await bed(async (_event, { state }) => {
      const store = state("statestore");
      const write = (key: string, etag?: string) =>
        store.transaction([{ operation: "upsert", key, value: 1, etag }]);
      const lost = write("a", "no such").catch(() => undefined);
      await Promise.all([lost, write("b"), write("c")]);
    });
    await deliver(event("1"));
    expect((await state.list()).keys).toEqual(["b", "c"]);
    await state.delete("b");
    await deliver(event("1"));
    expect((await state.list()).keys).toEqual(["c"]);
  });
});

describe("a store", () => {
  const lacking = (features: readonly string[], store: Partial<StateStore> = {}) =>
    stateStore({
      type: "state.lacking",
      runsOn: ["node"],
      clock: "host",
      fields: {},
      features: () => features as never,
      open: () => store as StateStore,
    })({});

  test.each([
    [["TTL"], {}, "statestore lacks TRANSACTIONAL and ETAG"],
    [["ETAG", "TTL"], {}, "statestore lacks TRANSACTIONAL"],
    [["ETAG", "TRANSACTIONAL"], { transaction() {} }, 'inbox("statestore", { ttlInSeconds: 0 })'],
  ])("with %j alone is refused at the start", async (features, store, why) => {
    const refused = bed(async () => undefined, {}, lacking(features, store as never));
    await expect(refused).rejects.toThrow(expect.objectContaining({ code: "ERR_CONFIGURATION" }));
    await expect(bed(async () => undefined, {}, lacking(features, store as never))).rejects.toThrow(
      why,
    );
  });

  test("that is away fails the delivery before the handler runs", async () => {
    const handler = vi.fn();
    const away = async () => {
      throw new ComponentError("unavailable", "gone");
    };
    const features = ["ETAG", "TRANSACTIONAL", "TTL"];
    const store = { get: away, transaction: away } as Partial<StateStore>;
    const { deliver } = await bed(handler, {}, lacking(features, store));
    expect(await deliver(event("1"))).toMatchObject({ is: "retry" });
    expect(handler).not.toHaveBeenCalled();
  });

  test("takes one operation less in the first transaction", async () => {
    class Limited implements StateStore {
      readonly maxOperations = 2;
      #items = new Map<string, unknown>();
      get = async () => undefined;
      set = async () => undefined;
      delete = async () => undefined;
      async transaction(operations: readonly { key: string }[]) {
        for (const { key } of operations) this.#items.set(key, key);
      }
      native() {
        return this.#items;
      }
    }
    const store = new Limited();
    const write = (keys: readonly string[]): Handler => {
      return async (_event, { state }) => {
        const operations = keys.map((key) => ({ operation: "upsert", key, value: 1 }) as const);
        await state("statestore").transaction(operations);
        expect(state("statestore").native()).toBe(store.native());
      };
    };
    const features = ["ETAG", "TRANSACTIONAL", "TTL"];
    const two = await bed(write(["a", "b"]), {}, lacking(features, store));
    expect(await two.deliver(event("1"))).toMatchObject({ is: "retry" });
    expect(store.native().size).toBe(0);
    const one = await bed(write(["a"]), {}, lacking(features, store));
    expect(await one.deliver(event("1"))).toEqual({ is: "done" });
    expect(store.native().size).toBe(2);
  });
});

describe("the option", () => {
  test("true is inbox() in a process", async () => {
    const handler = vi.fn();
    const { deliver } = await bed(handler, { idempotent: true });
    await deliver(event("1"));
    await deliver(event("1"));
    expect(handler).toHaveBeenCalledTimes(1);
  });

  test("true is refused where a platform pushes, with what to import", async () => {
    const { runtime } = await bed(async () => undefined);
    const pushed = subscribe("pubsub", "t", async () => undefined, { idempotent: true });
    const received = receive(runtime, [pushed], {}, runtime.blocks.call);
    await expect(received).rejects.toThrow('idempotent: inbox("statestore") of pillion/inbox');
  });

  test("a store that nobody declared is named, and a wrong time to live", async () => {
    const other = bed(async () => undefined, { idempotent: inbox("other") });
    await expect(other).rejects.toThrow("state store other is not found");
    expect(() => inbox("s", { ttlInSeconds: 1.5 })).toThrow("ttlInSeconds must be a whole number");
  });
});
