import { describe, expect, test } from "vitest";
import * as eventbridge from "../../bindings/aws/eventbridge.ts";
import * as snsSqs from "../../bindings/aws/sns-sqs.ts";
import * as queues from "../../bindings/cloudflare/queues.ts";
import * as memory from "../../bindings/memory.ts";
import * as redis from "../../bindings/node/redis.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { OutgoingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import { type ApiError, ComponentError } from "../../src/errors.ts";
import type { PillionEvent } from "../../src/events.ts";
import { type SubscribeOptions, subscribe } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { webHost } from "../../src/web.ts";

// What the component hands to a queue and takes from a batch, with both made here: for what workerd's queues do not
// do, such as failing.

type Sent = { body: unknown; contentType: string; delaySeconds?: number };

class FakeQueue {
  readonly calls: Sent[][] = [];
  readonly fails: boolean;
  constructor(fails = false) {
    this.fails = fails;
  }
  async send(body: unknown, options: Omit<Sent, "body">) {
    await this.sendBatch([{ body, ...options }]);
  }
  async sendBatch(messages: Sent[]) {
    if (this.fails) throw new Error("Queue sendBatch failed: Too Many Requests");
    this.calls.push([...messages]);
  }
}

function runtimeWith(env: object, options: Parameters<typeof queues.pubsub>[0] = {}) {
  const events: PillionEvent[] = [];
  const runtime = createRuntime({
    id: "shop",
    components: { pubsub: queues.pubsub(options), bus: memory.state({}) },
    host: webHost("workers", { env: env as Record<string, unknown> }),
    onEvent: (event) => events.push(event),
  });
  return { runtime, events, publisher: runtime.blocks.pubsub("pubsub") };
}

const componentOf = (runtime: Runtime): PubSub => runtime.find("pubsub", "pubsub").instance;

const thrownBy = (work: () => unknown): Promise<ApiError> =>
  Promise.resolve()
    .then(work)
    .then(
      () => expect.fail("it did not fail"),
      (error: ApiError) => error,
    );

const outgoing = (data: string | Uint8Array, delay?: number): OutgoingMessage => ({
  data,
  metadata: {},
  delay,
});

describe("where a topic goes", () => {
  test("without settings: to the bindings of its name, and of no other topic's", async () => {
    const env = {
      ORDERS_PAID: new FakeQueue(),
      ORDERS_PAID__SHIPPING: new FakeQueue(),
      ORDERS_PAID_DEAD: new FakeQueue(),
      ORDERS_PAID__KV: { get() {} },
      ORDERS: new FakeQueue(),
    };
    const { publisher } = runtimeWith(env);
    await publisher.publish("orders.paid", 1);
    const counts = Object.entries(env).map(([name, queue]) => [
      name,
      queue instanceof FakeQueue ? queue.calls.length : 0,
    ]);
    expect(Object.fromEntries(counts)).toEqual({
      ORDERS_PAID: 1,
      ORDERS_PAID__SHIPPING: 1,
      ORDERS_PAID_DEAD: 0,
      ORDERS_PAID__KV: 0,
      ORDERS: 0,
    });
  });

  test("with settings: to those that they list, all of which must be bound before one gets it", async () => {
    const env = { A: new FakeQueue(), B: new FakeQueue(), ORDERS: new FakeQueue() };
    const { publisher } = runtimeWith(env, { topics: "orders = A, B; bills=A2,C" });
    await publisher.publish("orders", 1);
    expect([env.A.calls, env.B.calls, env.ORDERS.calls].map(({ length }) => length)).toEqual([
      1, 1, 0,
    ]);
    const error = await thrownBy(() => publisher.publish("bills", 1));
    expect(error).toMatchObject({ kind: "config", retry: false });
    expect(error.message).toContain(
      "no queue is bound as A2, where topic bills goes. Add to wrangler.toml",
    );
    expect(error.message).toContain('binding = "A2"\n  queue = "a2"');
  });

  test.each([
    ["topics=", { topics: "orders" }, /setting topics is topic=NAME/],
    ["an empty name", { topics: "orders=A,,B" }, /setting topics is topic=NAME/],
    ["a topic twice", { topics: "orders=A;orders=B" }, /setting topics is topic=NAME/],
    ["a binding of two topics", { topics: "orders=A;bills=A" }, /names A twice: a queue holds/],
    ["a queue of two topics", { queues: "orders=q;bills=q" }, /setting queues names q twice/],
    ["too many retries", { maxRetries: 101 }, /maxRetries must be a whole number from 0 to 100/],
    ["no time", { processingTimeout: 0 }, /processingTimeout must be above 0/],
    ["too much time", { processingTimeout: "15m" }, /at most 870000 ms: Cloudflare ends a batch/],
  ])("settings with %s are refused", (_name, options, message) => {
    expect(() => runtimeWith({}, options)).toThrow(message);
  });
});

describe("a queue that does not take a message", () => {
  test("fails the publish, which may be made again, and is named; the others have it", async () => {
    const env = { T__A: new FakeQueue(), T__B: new FakeQueue(true) };
    const { publisher } = runtimeWith(env);
    const error = await thrownBy(() => publisher.publish("t", 1));
    expect(error).toMatchObject({ kind: "unavailable", retry: true });
    expect(error.message).toContain("T__B: Queue sendBatch failed: Too Many Requests");
    expect(error.message).toContain("1 of 2 took it and will get it again");
    expect(env.T__A.calls).toHaveLength(1);
  });

  test("fails every entry of a bulk", async () => {
    const { publisher } = runtimeWith({ T: new FakeQueue(true) });
    const error = await thrownBy(() => publisher.publishBulk("t", [{ data: 1 }, { data: 2 }]));
    expect(error.failures.map(({ key }) => key)).toEqual(["0", "1"]);
  });
});

describe("what is sent", () => {
  test("is the text or the bytes themselves, and a wrapper only for metadata", async () => {
    const env = { T: new FakeQueue() };
    const component = componentOf(runtimeWith(env).runtime);
    const bytes = new Uint8Array([1, 255]);
    const call = undefined as never;
    await component.publish("t", outgoing("text"), call);
    await component.publish("t", outgoing(bytes, 1001), call);
    await component.publish("t", { data: bytes, metadata: { a: "b" } }, call);
    await component.publish("t", { data: "x", metadata: { a: "b" } }, call);
    expect(env.T.calls.flat()).toEqual([
      { body: "text", contentType: "text" },
      { body: bytes, contentType: "bytes", delaySeconds: 2 },
      { body: { pillion: 1, metadata: { a: "b" }, data_base64: "Af8=" }, contentType: "json" },
      { body: { pillion: 1, metadata: { a: "b" }, data: "x" }, contentType: "json" },
    ]);
  });

  test("goes in as many batches as Cloudflare's 100 messages and 256 kB ask for", async () => {
    const env = { T: new FakeQueue() };
    const { publisher } = runtimeWith(env);
    const raw = (size: number) => ({ data: "x".repeat(size), rawPayload: true });
    await publisher.publishBulk("t", Array(250).fill(raw(1)));
    expect(env.T.calls.map(({ length }) => length)).toEqual([100, 100, 50]);
    env.T.calls.length = 0;
    await publisher.publishBulk("t", [raw(127_900), raw(127_900), raw(1), raw(127_800), raw(1)]);
    // Each takes 100 bytes more than it has: the first two fill a batch to its last byte.
    expect(env.T.calls.map((batch) => batch.map(({ body }) => String(body).length))).toEqual([
      [127_900, 127_900],
      [1, 127_800, 1],
    ]);
    expect(env.T.calls.flat()).toHaveLength(5);
  });

  test("is measured in bytes of UTF-8, not in characters", async () => {
    const env = { T: new FakeQueue() };
    const { publisher } = runtimeWith(env);
    const raw = { rawPayload: true };
    await publisher.publish("t", "ü".repeat(63_950), raw);
    const error = await thrownBy(() => publisher.publish("t", "ü".repeat(63_951), raw));
    expect(error).toMatchObject({ kind: "invalid" });
    expect(env.T.calls).toHaveLength(1);
  });
});

/** A message as Cloudflare hands it over, and what became of it. */
function incoming(body: unknown, attempts = 1) {
  const fate: unknown[] = [];
  const message = {
    id: `m-${attempts}`,
    timestamp: new Date(0),
    body,
    attempts,
    ack: () => void fate.push("ack"),
    retry: (options?: object) => void fate.push(options ?? {}),
  };
  return { message, fate };
}

/** Pushes a batch at an app with one subscription. */
async function pushed(
  runtime: Runtime,
  batch: unknown,
  topic: string,
  handler: Parameters<typeof subscribe>[2],
  options?: SubscribeOptions,
) {
  const subscription = subscribe("pubsub", topic, handler, options);
  const given: unknown[] = [];
  const consume = subscription.push(runtime, [subscription]);
  await consume(batch, runtime.blocks.call, () => void given.push("all"));
  return given;
}

describe("a batch", () => {
  test("with bodies that are neither text, bytes nor JSON: those stay with the queue, and the rest is handled", async () => {
    const { runtime, events } = runtimeWith({});
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const odd = [1n, circle, undefined, () => 1].map((body) => incoming(body));
    const good = incoming({ specversion: "1.0", id: "1", data: 7 });
    const got: unknown[] = [];
    const messages = [...odd.slice(0, 2), good, ...odd.slice(2)].map(({ message }) => message);
    const given = await pushed(runtime, { queue: "t", messages }, "t", ({ data }) => {
      got.push(data);
    });
    expect(got).toEqual([7]);
    expect(good.fate).toEqual(["ack"]);
    expect(odd.map(({ fate }) => fate)).toEqual([[{}], [{}], [{}], [{}]]);
    expect(given).toEqual([]);
    expect(events.filter(({ type }) => type === "handler.failed")).toEqual([]);
  });

  test.each([
    ["bytes that are none", { pillion: 1, metadata: {}, data_base64: "%" }],
    ["no data", { pillion: 1, metadata: { a: "b" } }],
    ["no metadata", { pillion: 1, data: "x" }],
    ["another version", { pillion: 2, metadata: {}, data: "x" }],
  ])("with a body that looks like ours and has %s is another producer's", async (_name, body) => {
    const { runtime } = runtimeWith({});
    const { message, fate } = incoming(body);
    const got: unknown[] = [];
    const options = { rawPayload: true };
    await pushed(
      runtime,
      { queue: "t", messages: [message] },
      "t",
      ({ data }) => void got.push(data),
      options,
    );
    expect(new TextDecoder().decode(got[0] as Uint8Array)).toBe(JSON.stringify(body));
    expect(fate).toEqual(["ack"]);
  });

  test("waits in whole seconds, never less than the policy says", async () => {
    const { runtime } = runtimeWith({}, { maxRetries: 100 });
    const fates = [];
    for (const attempts of [1, 2, 30]) {
      const { message, fate } = incoming({ data: 1 }, attempts);
      const options = { maxRetries: 50, retryDelayMs: 1001 };
      await pushed(runtime, { queue: "t", messages: [message] }, "t", () => "RETRY", options);
      fates.push(fate);
    }
    expect(fates).toEqual([[{ delaySeconds: 2 }], [{ delaySeconds: 3 }], [{ delaySeconds: 3600 }]]);
  });

  test("of which settling fails is given back whole, and told of", async () => {
    const { runtime, events } = runtimeWith({});
    const { message } = incoming({ data: 1 });
    const broken = {
      ...message,
      ack: () => {
        throw new Error("the platform is ill");
      },
    };
    const given = await pushed(runtime, { queue: "t", messages: [broken] }, "t", () => undefined);
    expect(given).toEqual(["all"]);
    expect(events.find(({ type }) => type === "handler.failed")).toMatchObject({
      error: { message: "the platform is ill" },
    });
  });

  test("of a queue that could be two topics' is given back, with what to set", async () => {
    const { runtime, events } = runtimeWith({});
    const { message, fate } = incoming({ data: 1 });
    const both = ["a.b", "a-b"].map((topic) => subscribe("pubsub", topic, () => undefined));
    const given: unknown[] = [];
    const batch = { queue: "a-b", messages: [message] };
    await both[0]?.push(runtime, both)(batch, runtime.blocks.call, () => void given.push("all"));
    expect([given, fate]).toEqual([["all"], []]);
    const [told] = events.filter(({ type }) => type === "handler.failed");
    expect((told as { error: Error }).error.message).toContain(
      "the queue a-b could belong to the topics a.b and a-b: say which it is by the setting queues",
    );
  });

  test("of what is no batch is given back", async () => {
    const { runtime } = runtimeWith({});
    expect(await pushed(runtime, { messages: 1 }, "t", () => undefined)).toEqual(["all"]);
  });
});

describe("a Worker does not load", () => {
  const subscribing =
    (options: SubscribeOptions, settings: object = {}, pubsub = "pubsub") =>
    () => {
      const subscription = subscribe(pubsub, "t", () => undefined, options);
      return subscription.push(runtimeWith({}, settings).runtime, [subscription]);
    };

  test("with more retries than its queue makes, which are Cloudflare's three where nothing else is said", () => {
    expect(subscribing({ maxRetries: 4 })).toThrow(
      /cannot subscribe to topic t of pubsub with maxRetries 4: the component's own maxRetries is 3/,
    );
    expect(subscribing({ maxRetries: 3 })).not.toThrow();
    expect(subscribing({ maxRetries: 50 }, { maxRetries: 50 })).not.toThrow();
  });

  test("with a component that is not there, or to which nothing is pushed", () => {
    expect(subscribing({}, {}, "other")).toThrow(/pubsub other is not found/);
    const silent = { ...queues.pubsub({}), open: () => ({}) as PubSub };
    expect(pushing(silent)).toThrow(notBrought("pubsub.cloudflare.queues"));
  });

  test("with a component whose broker brings nothing to a Worker", () => {
    const region = "eu-central-1";
    expect(pushing(snsSqs.pubsub({ region }))).toThrow(notBrought("pubsub.aws.snssqs"));
    expect(pushing(eventbridge.pubsub({ region }))).toThrow(notBrought("pubsub.aws.eventbridge"));
    expect(() => pushing(redis.pubsub({ redisHost: "127.0.0.1:1" }))).toThrow(
      "component pubsub: pubsub.redis does not run on workers, only on node, lambda",
    );
    expect(pushing(queues.pubsub({}))).not.toThrow();
  });

  function pushing(pubsub: Component<"pubsub">) {
    const runtime = createRuntime({ id: "shop", components: { pubsub }, host: webHost("workers") });
    const subscription = subscribe("pubsub", "t", () => undefined);
    return () => subscription.push(runtime, [subscription]);
  }

  function notBrought(type: string): string {
    return `cannot subscribe to topic t of pubsub: nothing brings the messages of ${type} to workers, and nothing runs between invocations to fetch them. Use pubsub.cloudflare.queues on Workers, pubsub.aws.snssqs on Lambda`;
  }

  test("with a subscription that the scopes forbid, or made twice", () => {
    expect(subscribing({}, { subscriptionScopes: "shop=a" })).toThrow(
      /not allowed for app id shop/,
    );
    const subscription = subscribe("pubsub", "t", () => undefined);
    const { runtime } = runtimeWith({});
    expect(() => subscription.push(runtime, [subscription, subscription])).toThrow(/twice/);
  });
});

test("native hands out the bindings of a topic", () => {
  const env = { T__A: new FakeQueue(), T__B: new FakeQueue() };
  const { publisher } = runtimeWith(env);
  const found = publisher.native<(topic: string) => ReadonlyMap<string, unknown>>()("t");
  expect([...found]).toEqual(Object.entries(env));
  expect(() => publisher.native<(topic: string) => unknown>()("u")).toThrow(ComponentError);
});
