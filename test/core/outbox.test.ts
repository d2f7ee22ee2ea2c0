import * as v from "valibot";
import { afterEach, describe, expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { publishing } from "../../src/blocks/outbox/component.ts";
import { outbox, type PublishOperation } from "../../src/blocks/outbox/outbox.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import {
  type OutgoingMessage,
  type PubSubFeature,
  pubSub,
  type SubscribeRequest,
} from "../../src/contracts/pubsub.ts";
import type { StateStore } from "../../src/contracts/state.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";
import type { PillionEvent } from "../../src/events.ts";
import { subscribe, topic } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";

const started: Runtime[] = [];
afterEach(() => Promise.all(started.splice(0).map((runtime) => runtime.close())));

/** A broker that keeps what it got, and can be away. */
function broker(features: readonly PubSubFeature[] = []) {
  const got: (OutgoingMessage & { readonly topic: string })[] = [];
  let request: SubscribeRequest | undefined;
  const self = {
    got,
    away: false,
    /** Topics of which it never takes anything. */
    refused: new Set<string>(),
    deliver: (data: string) =>
      request?.deliver({ id: "m", topic: "in", data, metadata: {}, attempt: 1 }),
    events: () => got.map(({ data }) => JSON.parse(data as string)),
    component: pubSub({
      type: "pubsub.manual",
      runsOn: ["node"],
      fields: {},
      features: () => features,
      open: () => ({
        async publish(topic, message) {
          if (self.away) throw new ComponentError("unavailable", "the broker is away");
          if (self.refused.has(topic)) throw new ComponentError("invalid", "too large");
          got.push({ topic, ...message });
        },
        async subscribe(asked) {
          request = asked;
          return { stop: async () => undefined };
        },
        native: () => undefined,
      }),
    })({}),
  };
  return self;
}

/** The store in memory, without a feature. */
function without(...lacking: readonly string[]): Component<"state"> {
  const component = memory.state({});
  const features = component.features.filter((feature) => !lacking.includes(feature));
  return { ...component, features };
}

function bed(options: { store?: Component<"state">; features?: readonly PubSubFeature[] } = {}) {
  const events: PillionEvent[] = [];
  const clock = virtualClock();
  const pubsub = broker(options.features);
  const statestore = options.store ?? memory.state({});
  // One store for several runtimes, as a database is for several processes.
  let opened: StateStore | undefined;
  const shared: Component<"state"> = {
    ...statestore,
    open: (host, name) => (opened ??= { ...statestore.open(host, name), close: undefined }),
  };
  const start = (id = "shop") => {
    const runtime = createRuntime({
      id,
      components: { pubsub: pubsub.component, statestore: shared },
      host: processHost("node", { clock }),
      onEvent: (event) => events.push(event),
    });
    started.push(runtime);
    return runtime;
  };
  const runtime = start();
  const { blocks } = runtime;
  const rows = async () => {
    const store = runtime.find("state", "statestore");
    const { keys = [] } =
      (await store.instance.list?.("shop||outbox||", 100, undefined, blocks.call)) ?? {};
    return keys;
  };
  const failed = () =>
    events.flatMap((event) => (event.type === "outbox.failed" ? [messageOf(event.error)] : []));
  const failures = () => failed().length;
  return {
    runtime,
    start,
    blocks,
    clock,
    pubsub,
    rows,
    failed,
    failures,
    state: blocks.state("statestore"),
  };
}

const settled = (check: () => void | Promise<void>) =>
  vi.waitFor(check, { timeout: 5000, interval: 5 });

const upsert = (key: string, more = {}) =>
  ({ operation: "upsert", key, value: 1, ...more }) as const;
const publish = (data: unknown, more = {}): PublishOperation => ({
  operation: "publish",
  pubsub: "pubsub",
  topic: "orders",
  data,
  ...more,
});

describe("a transaction with a publish", () => {
  test("writes, publishes, and leaves nothing behind", async () => {
    const { blocks, pubsub, rows, state } = bed();
    const options = { cloudEvent: { id: "e", type: "placed" }, metadata: { a: "b" } };
    await outbox().transaction(blocks, [upsert("k"), publish({ n: 1 }, options), publish("two")]);
    expect(await state.get("k")).toBe(1);
    await settled(async () => expect(await rows()).toEqual([]));
    const common = { topic: "orders", source: "shop", pubsubname: "pubsub" };
    expect(pubsub.events()).toEqual([
      expect.objectContaining({ ...common, id: "e", type: "placed", data: { n: 1 } }),
      expect.objectContaining({ ...common, data: "two", datacontenttype: "text/plain" }),
    ]);
    expect(pubsub.got[0]).toMatchObject({ id: "e", metadata: { a: "b" } });
  });

  test("that the store refuses publishes nothing", async () => {
    const { blocks, pubsub, rows, state } = bed();
    await state.set("k", 0);
    const refused = outbox().transaction(blocks, [
      upsert("k", { concurrency: "first-write" }),
      publish(1),
    ]);
    await expect(refused).rejects.toMatchObject({ code: "ERR_STATE_TRANSACTION" });
    expect(await rows()).toEqual([]);
    await outbox().transaction(blocks, [publish("control")]);
    await settled(() => expect(pubsub.got).toHaveLength(1));
    expect(pubsub.events()[0].data).toBe("control");
  });

  test.each([
    ["an unknown broker", publish(1, { pubsub: "other" }), "ERR_PUBSUB_NOT_FOUND"],
    ["an empty topic", publish(1, { topic: "" }), "ERR_TOPIC_NAME_EMPTY"],
    ["what is no JSON", publish(1n), "ERR_PUBSUB_PUBLISH_MESSAGE"],
    [
      "a delay that the broker cannot do",
      publish(1, { delayInSeconds: 1 }),
      "ERR_PUBSUB_PUBLISH_MESSAGE",
    ],
    ["no operation", { operation: "other", key: "x" } as never, "ERR_MALFORMED_REQUEST"],
  ])("with %s writes nothing", async (_name, operation, code) => {
    const { blocks, state, rows } = bed();
    const refused = outbox().transaction(blocks, [upsert("k"), operation, publish(1)]);
    await expect(refused).rejects.toMatchObject({ code });
    expect(await state.get("k")).toBeUndefined();
    expect(await rows()).toEqual([]);
  });

  test("of a typed topic takes what fits its schema", async () => {
    const { blocks, pubsub, state } = bed();
    const orders = topic("pubsub", "orders", v.object({ n: v.number() }));
    const refused = outbox().transaction(blocks, [
      upsert("k"),
      { operation: "publish", topic: orders, data: { n: "1" } },
    ]);
    await expect(refused).rejects.toMatchObject({ code: "ERR_MALFORMED_REQUEST" });
    expect(await state.get("k")).toBeUndefined();
    await outbox().transaction(blocks, [{ operation: "publish", topic: orders, data: { n: 1 } }]);
    await settled(() => expect(pubsub.events()).toMatchObject([{ data: { n: 1 } }]));
  });

  test("without one is a plain transaction", async () => {
    const { blocks, state, pubsub } = bed();
    await outbox().transaction(blocks, [upsert("k")]);
    await outbox().transaction(blocks, []);
    expect(await state.get("k")).toBe(1);
    expect(pubsub.got).toEqual([]);
  });

  test("keeps its rows out of the app's keys, and apart from other apps'", async () => {
    const { blocks, pubsub, rows, state } = bed();
    pubsub.away = true;
    await outbox().transaction(blocks, [upsert("k"), publish(1)]);
    expect(await rows()).toHaveLength(1);
    expect((await state.list()).keys).toEqual(["k"]);
  });

  test("carries bytes as they are", async () => {
    const { blocks, pubsub } = bed();
    const bytes = new Uint8Array([0, 255, 1]);
    await outbox().transaction(blocks, [publish(bytes, { rawPayload: true })]);
    await settled(() => expect(pubsub.got).toHaveLength(1));
    expect(pubsub.got[0]?.data).toEqual(bytes);
  });
});

describe("what the broker did not take", () => {
  test("is committed, told of, and published when the broker is back", async () => {
    const { blocks, pubsub, rows, state, failures, clock } = bed();
    pubsub.away = true;
    const orders = outbox();
    await orders.transaction(blocks, [upsert("k"), publish(1)]);
    await settled(() => expect(failures()).toBe(1));
    expect(await state.get("k")).toBe(1);
    pubsub.away = false;
    await orders.relay(blocks);
    expect(pubsub.got).toEqual([]);
    clock.advance(10_000);
    await orders.relay(blocks);
    expect(pubsub.got).toHaveLength(1);
    expect(await rows()).toEqual([]);
  });

  test("is published by a later transaction, and by the relay of a process", async () => {
    for (const how of ["transaction", "relay"] as const) {
      const { blocks, pubsub, rows, start, failures, clock } = bed();
      pubsub.away = true;
      const id = { cloudEvent: { id: "left" } };
      await outbox().transaction(blocks, [publish(1, id)]);
      await settled(() => expect(failures()).toBe(1));
      pubsub.away = false;
      clock.advance(10_000);
      const next = start();
      if (how === "transaction") await outbox().transaction(next.blocks, [publish(2)]);
      const relay = how === "relay" ? outbox().start(next) : undefined;
      await settled(async () => expect(await rows()).toEqual([]));
      expect(pubsub.events().map(({ id }) => id)).toContain("left");
      await relay?.stop();
    }
  });

  test("is not published twice by two that look at the same time", async () => {
    const { blocks, pubsub, start, failures, clock } = bed();
    pubsub.away = true;
    for (let n = 0; n < 5; n++) await outbox().transaction(blocks, [publish(n)]);
    await settled(() => expect(failures()).toBeGreaterThanOrEqual(5));
    pubsub.away = false;
    clock.advance(10_000);
    const others = [start(), start(), start()];
    await Promise.all(others.map((one) => outbox().relay(one.blocks)));
    expect(
      pubsub
        .events()
        .map(({ data }) => data)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4]);
  });

  test("ends with its time to live, and waits for the rest of its delay", async () => {
    const { blocks, pubsub, rows, failures, clock } = bed({ features: ["MESSAGE_TTL", "DELAY"] });
    pubsub.away = true;
    const orders = outbox();
    await orders.transaction(blocks, [publish("short", { ttlInSeconds: 5 })]);
    await orders.transaction(blocks, [publish("long", { ttlInSeconds: 60, delayInSeconds: 30 })]);
    await settled(() => expect(failures()).toBeGreaterThanOrEqual(2));
    pubsub.away = false;
    clock.advance(10_000);
    await orders.relay(blocks);
    expect(pubsub.got).toMatchObject([{ ttl: 50_000, delay: 20_000 }]);
    expect(await rows()).toEqual([]);
  });
});

describe("what no broker will ever take", () => {
  test("does not hold up the rest, and comes again after growing pauses", async () => {
    const { blocks, pubsub, rows, failures, failed, clock } = bed();
    pubsub.refused.add("bad");
    const orders = outbox();
    for (const topic of ["bad", "bad"])
      await orders.transaction(blocks, [publish(topic, { topic })]);
    await settled(() => expect(failures()).toBe(2));
    pubsub.away = true;
    await orders.transaction(blocks, [publish("good")]);
    await settled(() => expect(failures()).toBe(3));
    pubsub.away = false;
    clock.advance(10_000);
    await expect(orders.relay(blocks)).rejects.toThrow("too large");
    expect(pubsub.events()).toMatchObject([{ data: "good" }]);
    expect(failed().slice(3)).toEqual(
      Array(2).fill(
        expect.stringMatching(/^shop\|\|outbox.*topic bad of pubsub .*too large.* again in 10 s$/),
      ),
    );
    // 10 s, 20 s, 40 s, up to 43 minutes: of a day, how often each is tried.
    const before = failures();
    for (let s = 0; s < 86_400; s += 5) {
      clock.advance(5000);
      await orders.relay(blocks).catch(() => undefined);
    }
    expect((failures() - before) / 2).toBeGreaterThan(30);
    expect((failures() - before) / 2).toBeLessThan(45);
    pubsub.refused.clear();
    clock.advance(3_600_000);
    await orders.relay(blocks);
    expect(pubsub.got).toHaveLength(3);
    expect(await rows()).toEqual([]);
  });

  test("of one broker costs others nothing while it is away", async () => {
    const { blocks, pubsub, clock, failures } = bed();
    pubsub.away = true;
    const orders = outbox();
    for (let n = 0; n < 5; n++) await orders.transaction(blocks, [publish(n)]);
    await settled(() => expect(failures()).toBe(5));
    clock.advance(10_000);
    // One wait for the broker, and not five.
    await expect(orders.relay(blocks)).rejects.toThrow("away");
    expect(failures()).toBe(6);
    // The one that was tried lets the others go first, and is there again soon once the broker is.
    for (let s = 0; s < 3600; s += 5) {
      clock.advance(5000);
      await orders.relay(blocks).catch(() => undefined);
    }
    pubsub.away = false;
    clock.advance(60_000);
    await orders.relay(blocks);
    expect(pubsub.got).toHaveLength(5);
  });

  test("is passed over where it lies damaged, and told of after growing pauses", async () => {
    for (const store of [memory.state({}), without("LIST")]) {
      const { blocks, pubsub, runtime, clock, failed, failures, rows } = bed({ store });
      pubsub.away = true;
      const orders = outbox();
      for (let n = 0; n < 3; n++) await orders.transaction(blocks, [publish(n)]);
      await settled(() => expect(failures()).toBe(3));
      const [one = "", two = ""] = await rows();
      const { instance } = runtime.find("state", "statestore");
      await instance.set(one, { json: "{" }, {}, blocks.call);
      await instance.set(two, { json: "null" }, {}, blocks.call);
      pubsub.away = false;
      clock.advance(10_000);
      await expect(orders.relay(blocks)).rejects.toThrow("is no row of an outbox");
      expect(await rows()).toEqual([one, two]);
      expect(pubsub.got).toHaveLength(1);
      expect(failed().slice(3).sort()).toEqual(
        [one, two].map((key) => expect.stringContaining(key)),
      );
      for (let s = 0; s < 3600; s += 5) {
        clock.advance(5000);
        await orders.relay(blocks).catch(() => undefined);
      }
      expect(failures()).toBeGreaterThan(5);
      expect(failures()).toBeLessThan(30);
    }
  });
});

describe("a store", () => {
  test.each(["TRANSACTIONAL", "ETAG"])("without %s is refused", async (feature) => {
    const { blocks, runtime } = bed({ store: without(feature) });
    const refused = outbox().transaction(blocks, [publish(1)]);
    await expect(refused).rejects.toMatchObject({ code: "ERR_CONFIGURATION" });
    expect(() => outbox().start(runtime)).toThrow(`statestore lacks ${feature}`);
  });

  test("that lists no keys has places for rows that can be found, and says when all are taken", async () => {
    const { blocks, pubsub, rows, state, clock } = bed({ store: without("LIST") });
    pubsub.away = true;
    const orders = outbox();
    let committed = 0;
    let full: unknown;
    for (; !full; committed++) {
      await orders
        .transaction(blocks, [upsert(`k${committed}`), publish(committed)])
        .catch((error) => {
          full = error;
        });
    }
    expect(full).toMatchObject({ code: "ERR_STATE_TRANSACTION", kind: "unavailable" });
    // All but the one that was refused.
    expect(committed - 1).toBe(64);
    expect(await rows()).toHaveLength(committed - 1);
    expect(await state.get(`k${committed - 1}`)).toBeUndefined();
    pubsub.away = false;
    clock.advance(10_000);
    await orders.relay(blocks);
    expect(await rows()).toEqual([]);
    expect(pubsub.got).toHaveLength(committed - 1);
  });

  test("that lists no keys takes another place, also for the events of all its transactions", async () => {
    const settings = { pubsub: "pubsub", topic: "orders" };
    const { runtime, pubsub, rows, state } = bed({ store: publishing(without("LIST"), settings) });
    runtime.options.components?.statestore?.attend?.(runtime, "statestore");
    pubsub.away = true;
    await state.set("k", 0);
    const stale = upsert("k", { concurrency: "first-write" });
    await expect(state.transaction([stale])).rejects.toMatchObject({ kind: "etag-mismatch" });
    let committed = 0;
    let full: unknown;
    for (; !full; committed++) {
      await state.transaction([upsert(`k${committed}`)]).catch((error) => {
        full = error;
      });
    }
    expect(full).toMatchObject({ code: "ERR_STATE_TRANSACTION", kind: "unavailable" });
    expect(String(full)).toContain("outbox of state store statestore is full");
    expect(await rows()).toHaveLength(committed - 1);
  });

  test("that lists no keys takes another place, also when the first is free again by then", async () => {
    const store = without("LIST");
    const { blocks, pubsub, runtime } = bed({ store });
    const { instance } = runtime.find("state", "statestore");
    let lost = 0;
    const transaction = instance.transaction?.bind(instance);
    Object.assign(instance, {
      async transaction(...asked: Parameters<NonNullable<typeof transaction>>) {
        if (lost++ === 0) throw new ComponentError("etag-mismatch", "another was first");
        await transaction?.(...asked);
      },
    });
    await outbox().transaction(blocks, [publish(1)]);
    await settled(() => expect(pubsub.got).toHaveLength(1));
    expect(lost).toBe(2);
  });

  test("that lists no keys tells the app's own conflict from a place that is taken", async () => {
    const { blocks, state } = bed({ store: without("LIST") });
    await state.set("k", 0);
    const operations = [upsert("k", { concurrency: "first-write" }), publish(1)];
    const refused = outbox().transaction(blocks, operations);
    await expect(refused).rejects.toMatchObject({ kind: "etag-mismatch" });
  });
});

test("an idempotent handler's transaction through the outbox is one commit with its inbox", async () => {
  const { runtime, pubsub, rows, state } = bed();
  const orders = outbox();
  let conflict = true;
  const consuming = subscribe(
    "pubsub",
    "in",
    async (_event, blocks) => {
      const wrong = conflict ? { etag: "no such" } : {};
      conflict = false;
      await orders.transaction(blocks, [upsert("k", wrong), publish("done")]);
    },
    { idempotent: inbox() },
  );
  await startSubscriptions(runtime, [consuming]);
  const event = JSON.stringify({ id: "1", specversion: "1.0", source: "s", type: "t" });
  expect(await pubsub.deliver(event)).toMatchObject({ is: "retry" });
  expect(await state.get("k")).toBeUndefined();
  expect(await pubsub.deliver(event)).toEqual({ is: "done" });
  await settled(() => expect(pubsub.got).toHaveLength(1));
  await settled(async () => expect(await rows()).toEqual([]));
  await state.delete("k");
  expect(await pubsub.deliver(event)).toEqual({ is: "done" });
  expect(await state.get("k")).toBeUndefined();
  expect(pubsub.got).toHaveLength(1);
});
