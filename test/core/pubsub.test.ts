import * as v from "valibot";
import { afterEach, describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import type { PillionEvent } from "../../src/events.ts";
import {
  type CloudEvent,
  type Handler,
  type SubscribeOptions,
  subscribe,
  type TopicSubscription,
  topic,
} from "../../src/index.ts";

import {
  closeAll,
  collector,
  fakeComponent,
  message,
  pushing,
  receive,
  runtimeWith,
  settled,
} from "./_pubsub.ts";

afterEach(closeAll);

const deliveries = (events: readonly PillionEvent[]) =>
  events.flatMap((event) => (event.type === "pubsub.delivery" ? [event.outcome] : []));

/** A process that consumes topics of the component in memory. */
async function consuming(...subscriptions: TopicSubscription[]) {
  const bed = runtimeWith(memory.pubsub({}));
  const live = await startSubscriptions(bed.runtime, subscriptions);
  return { ...bed, live };
}

describe("publishing", () => {
  test.each([
    ["an object", { n: 1 }, {}, { data: { n: 1 }, datacontenttype: "application/json" }],
    ["text", "hi", {}, { data: "hi", datacontenttype: "text/plain" }],
    [
      "JSON text under its content type",
      '{"a":1}',
      { contentType: "application/json; charset=utf-8" },
      { data: { a: 1 }, datacontenttype: "application/json; charset=utf-8" },
    ],
    [
      "what is called JSON and is none",
      "{",
      { contentType: "application/json" },
      { data: "{", datacontenttype: "application/json" },
    ],
    [
      "bytes",
      new Uint8Array([1, 2]),
      {},
      { data: new Uint8Array([1, 2]), datacontenttype: "application/octet-stream" },
    ],
    [
      "attributes of its own",
      1,
      { cloudEvent: { id: "i", type: "t", source: "s", subject: "x" } },
      { id: "i", type: "t", source: "s", subject: "x" },
    ],
    [
      "a ready-made event",
      { type: "mine", id: "m", data: [1] },
      { contentType: "application/cloudevents+json" },
      { type: "mine", id: "m", data: [1], topic: "t", pubsubname: "pubsub" },
    ],
  ])("%s arrives", async (_name, data, options, expected) => {
    const { got, handler } = collector();
    const { publisher } = await consuming(subscribe("pubsub", "t", handler));
    await publisher.publish("t", data, options);
    await settled(() => expect(got).toHaveLength(1));
    expect(got[0]).toMatchObject(expected);
  });

  test("a raw payload arrives as bytes where the subscription expects one, and is no event elsewhere", async () => {
    const raw = collector();
    const wrapped = collector();
    const { publisher, events } = await consuming(
      subscribe("pubsub", "raw", raw.handler, { rawPayload: true }),
      subscribe("pubsub", "wrapped", wrapped.handler, { maxRetries: 0 }),
    );
    await publisher.publish("raw", "plain", { rawPayload: true });
    await publisher.publish("wrapped", "plain", { rawPayload: true });
    await settled(() => expect(deliveries(events)).toHaveLength(2));
    expect(raw.got[0]).toMatchObject({ data: new TextEncoder().encode("plain"), source: "Dapr" });
    expect(wrapped.got).toEqual([]);
    expect(deliveries(events).sort()).toEqual(["dropped", "handled"]);
  });

  test.each([
    ["an empty topic", "", 1, {}, { code: "ERR_TOPIC_NAME_EMPTY", status: 404 }],
    ["no data", "t", undefined, {}, { code: "ERR_PUBSUB_PUBLISH_MESSAGE", kind: "invalid" }],
    [
      "a number that JSON lacks",
      "t",
      1n,
      {},
      { code: "ERR_PUBSUB_PUBLISH_MESSAGE", kind: "invalid" },
    ],
    [
      "an event that is none",
      "t",
      "{",
      { contentType: "application/cloudevents+json" },
      { code: "ERR_PUBSUB_CLOUD_EVENTS_SER", status: 500 },
    ],
    [
      "no time to live",
      "t",
      1,
      { ttlInSeconds: 0 },
      { code: "ERR_PUBSUB_REQUEST_METADATA", status: 400 },
    ],
    ["an order where there is none", "t", 1, { orderingKey: "k" }, { kind: "unsupported" }],
    [
      "a time to live of a raw payload",
      "t",
      "x",
      { rawPayload: true, ttlInSeconds: 1 },
      { kind: "unsupported" },
    ],
  ])("%s is refused", async (_name, name, data, options, expected) => {
    const { got, handler } = collector();
    const { publisher } = await consuming(subscribe("pubsub", "t", handler));
    await expect(publisher.publish(name, data, options)).rejects.toMatchObject(expected);
    await publisher.publish("t", "after");
    await settled(() => expect(got.map(({ data }) => data)).toEqual(["after"]));
  });

  test("a component that nobody declared is Dapr's 404", () => {
    const { runtime } = runtimeWith(memory.pubsub({}));
    expect(() => runtime.blocks.pubsub("other")).toThrow(
      expect.objectContaining({ code: "ERR_PUBSUB_NOT_FOUND", status: 404 }),
    );
    expect(() => runtime.blocks.state("pubsub")).toThrow(/state store pubsub is not found/);
  });

  test("in bulk, every entry is tried and those that failed are named", async () => {
    const sent: OutgoingMessage[] = [];
    const flaky = fakeComponent({
      async publish(_topic, message) {
        if (String(message.data).includes('"data":"bad"'))
          throw new ComponentError("unavailable", "full");
        sent.push(message);
      },
    });
    const { publisher } = runtimeWith(flaky);
    const entries = [
      { data: "good" },
      { entryId: "b", data: "bad" },
      { data: undefined },
      { data: "fine" },
    ];
    await expect(publisher.publishBulk("t", entries)).rejects.toMatchObject({
      code: "ERR_PUBSUB_PUBLISH_MESSAGE",
      failures: [
        {
          key: "b",
          error: {
            kind: "unavailable",
            message: "error when publishing to topic t in pubsub pubsub: full",
          },
        },
        { key: "2", error: { kind: "invalid" } },
      ],
    });
    expect(sent.map(({ data }) => JSON.parse(String(data)).data)).toEqual(["good", "fine"]);
  });
});

describe("scopes", () => {
  test.each([
    ["allowedTopics", { allowedTopics: "a, b" }, ["a", "b"], ["c"]],
    ["publishingScopes", { publishingScopes: "shop=a,b;other=c" }, ["a", "b"], ["c"]],
    ["an empty list", { publishingScopes: "shop=;other=a" }, [], ["a"]],
    ["another app's scopes", { publishingScopes: "other=a" }, ["a", "b"], []],
    ["protectedTopics", { protectedTopics: "p" }, ["a"], ["p"]],
    [
      "protectedTopics with a scope",
      { protectedTopics: "p,q", publishingScopes: "shop=p" },
      ["p"],
      ["q", "a"],
    ],
  ])("%s decide where an app may publish", async (_name, options, open, shut) => {
    const { publisher } = runtimeWith(memory.pubsub(options));
    for (const name of open) await publisher.publish(name, 1);
    for (const name of shut) {
      const forbidden = { code: "ERR_PUBSUB_FORBIDDEN", status: 403 };
      await expect(publisher.publish(name, 1)).rejects.toMatchObject(forbidden);
    }
  });

  test("a forbidden subscription fails the start", async () => {
    const { runtime } = runtimeWith(memory.pubsub({ subscriptionScopes: "shop=a" }));
    const { handler } = collector();
    const start = startSubscriptions(runtime, [subscribe("pubsub", "b", handler)]);
    await expect(start).rejects.toThrow(/topic b is not allowed for app id shop/);
  });
});

describe("what a handler answers", () => {
  test.each<[string, unknown, SubscribeOptions, string, number]>([
    ["nothing", undefined, {}, "handled", 0],
    ["SUCCESS", { status: "SUCCESS" }, {}, "handled", 0],
    ["an object without a status", { other: 1 }, {}, "handled", 0],
    ["a number", 42, {}, "handled", 0],
    ["DROP", "DROP", {}, "dropped", 0],
    ["DROP with a dead-letter topic", "DROP", { deadLetterTopic: "dead" }, "dead-lettered", 1],
    ["RETRY with a dead-letter topic", "RETRY", { deadLetterTopic: "dead" }, "dead-lettered", 1],
    ["RETRY with neither", "RETRY", {}, "retried", 0],
    ["a status that there is not", { status: "OK" }, {}, "retried", 0],
    ["a throw", new Error("no"), { deadLetterTopic: "dead" }, "dead-lettered", 1],
    ["a throw with no retries left", new Error("no"), { maxRetries: 0 }, "dropped", 0],
  ])("%s", async (_name, answer, options, outcome, buried) => {
    const { handler } = collector(answer);
    const dead = collector();
    const { publisher, events } = await consuming(
      subscribe("pubsub", "t", handler, options),
      subscribe("pubsub", "dead", dead.handler),
    );
    await publisher.publish("t", { n: 1 }, { cloudEvent: { id: "it" } });
    await settled(() => expect(deliveries(events)).toHaveLength(1 + buried));
    expect(deliveries(events)[0]).toBe(outcome);
    // As it came: the topic is the one that it was published to.
    const original = { id: "it", topic: "t", data: { n: 1 } };
    expect(dead.got).toMatchObject(buried ? [original] : []);
  });

  test("maxRetries bounds the deliveries, each later than the one before, then it is dead-lettered", async () => {
    const { got, handler } = collector(new Error("no"));
    const dead = collector();
    const { publisher, events, clock } = await consuming(
      subscribe("pubsub", "t", handler, { maxRetries: 2, deadLetterTopic: "dead" }),
      subscribe("pubsub", "dead", dead.handler),
    );
    await publisher.publish("t", 1);
    await settled(() => expect(got).toHaveLength(1));
    for (const [wait, tries] of [
      [1000, 2],
      [2000, 3],
    ] as const) {
      await settled(() => expect(deliveries(events)).toHaveLength(tries - 1));
      clock.advance(wait - 1);
      await new Promise(setImmediate);
      expect(got).toHaveLength(tries - 1);
      clock.advance(1);
      await settled(() => expect(got).toHaveLength(tries));
    }
    await settled(() => expect(dead.got).toHaveLength(1));
    expect(deliveries(events)).toEqual(["retried", "retried", "dead-lettered", "handled"]);
  });

  test("a dead-letter topic that does not take the message leaves it with the broker", async () => {
    const { component, accepted } = pushing({ failing: "dead" });
    const { runtime, events } = runtimeWith(component);
    const { handler } = collector(new Error("no"));
    const subscription = subscribe("pubsub", "t", handler, { deadLetterTopic: "dead" });
    await receive(runtime, subscription, [message("t", 1)]);
    expect(accepted).toEqual([[{ is: "retry", delay: 1000 }]]);
    expect(deliveries(events)).toEqual(["retried"]);
  });
});

describe("delivery", () => {
  test("rules are tried by priority and in order; what none matches goes to the default, or is dropped", async () => {
    const names: string[] = [];
    const to =
      (name: string): Handler =>
      () =>
        void names.push(name);
    const rules = [
      { match: ({ type }: CloudEvent) => type === "a", handler: to("late"), priority: 5 },
      { match: ({ type }: CloudEvent) => type === "a", handler: to("first") },
      { match: ({ type }: CloudEvent) => type === "b", handler: to("second") },
    ];
    const { publisher, events } = await consuming(
      subscribe("pubsub", "t", { rules, default: to("default") }),
      subscribe("pubsub", "bare", { rules }),
    );
    for (const type of ["a", "b", "c"]) await publisher.publish("t", 1, { cloudEvent: { type } });
    await publisher.publish("bare", 1, { cloudEvent: { type: "c" } });
    await settled(() => expect(deliveries(events)).toHaveLength(4));
    expect(names).toEqual(["first", "second", "default"]);
    expect(deliveries(events)).toContain("unrouted");
  });

  test("an event past its end is handed to nobody", async () => {
    const { got, handler } = collector();
    const { publisher, clock, events } = await consuming(subscribe("pubsub", "t", handler));
    await publisher.publish("t", "late", { ttlInSeconds: 1, delayInSeconds: 3 });
    await publisher.publish("t", "in time", { ttlInSeconds: 10, delayInSeconds: 3 });
    clock.advance(3000);
    await settled(() => expect(deliveries(events)).toHaveLength(2));
    expect(deliveries(events)).toEqual(["expired", "handled"]);
    expect(got.map(({ data }) => data)).toEqual(["in time"]);
  });

  test("the handler's blocks carry the event's trace, and what they publish carries it on", async () => {
    const trace = { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`, tracestate: "a=b" };
    const next = collector();
    const { publisher } = await consuming(
      subscribe("pubsub", "t", (_event, { pubsub }) => pubsub("pubsub").publish("next", 1)),
      subscribe("pubsub", "next", next.handler),
    );
    await publisher.publish("t", 1, { cloudEvent: trace });
    await settled(() => expect(next.got).toHaveLength(1));
    expect(next.got[0]).toMatchObject({ ...trace, traceid: trace.traceparent });
  });

  test("a handler that never returns is given up at the component's limit, with its signal aborted", async () => {
    const { component, accepted } = pushing({ processingTimeout: 500 });
    const { runtime, clock } = runtimeWith(component);
    let signal: AbortSignal | undefined;
    const hanging = subscribe("pubsub", "t", (_event, { call }) => {
      signal = call.signal;
      return new Promise<void>(() => undefined);
    });
    const received = receive(runtime, hanging, [message("t", 1)]);
    await settled(() => expect(signal).toBeDefined());
    expect(accepted).toEqual([]);
    clock.advance(500);
    await received;
    expect(accepted).toEqual([[{ is: "retry" }]]);
    expect(signal?.reason).toMatchObject({ name: "TimeoutError" });
  });

  test("a message whose attributes are of no sound type is handled or settled, and never throws", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const { got, handler } = collector();
    const subscription = subscribe("pubsub", "t", handler);
    const odd = [5, { toString: 1, valueOf: 1 }, [], "never"].map((expiration) => ({
      ...message("t", 1),
      data: JSON.stringify({ data: 1, expiration, traceparent: {} }),
    }));
    await receive(runtime, subscription, odd);
    expect(accepted[0]).toHaveLength(4);
    expect(got.length + (accepted[0] ?? []).filter(({ is }) => is === "retry").length).toBe(4);
  });

  test("the end of an invocation is no try of a message: it is neither dropped nor dead-lettered", async () => {
    const { component, accepted } = pushing({});
    const { runtime, events } = runtimeWith(component);
    const { got, handler } = collector();
    const options = { maxRetries: 0, deadLetterTopic: "dead" };
    const subscription = subscribe("pubsub", "t", handler, options);
    const call = { ...runtime.blocks.call, signal: AbortSignal.abort(new Error("out of time")) };
    await subscription.receive(runtime, [subscription], [message("t", 1)], call);
    expect(accepted).toEqual([[{ is: "retry" }]]);
    expect(deliveries(events)).toEqual(["retried"]);
    expect(got).toEqual([]);
  });

  test("what is no event is told without a word of it", async () => {
    const { component } = pushing({});
    const { runtime, events } = runtimeWith(component);
    const { handler } = collector();
    const secret = { ...message("t", 1), data: "password=hunter2" };
    await receive(runtime, subscribe("pubsub", "t", handler), [secret]);
    const told = events.find(({ type }) => type === "pubsub.delivery") as { error: Error };
    expect(told.error.message).toBe("a message of topic t is no event: it is no JSON");
    expect(String(told.error.cause)).not.toContain("hunter2");
  });

  test("stopping waits for what is in hand and takes nothing more", async () => {
    let finish = (): void => undefined;
    const got: unknown[] = [];
    const { publisher, live, events } = await consuming(
      subscribe("pubsub", "t", async ({ data }) => {
        got.push(data);
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      }),
    );
    await publisher.publish("t", 1);
    await publisher.publish("t", 2);
    await settled(() => expect(got).toEqual([1]));
    let ended = false;
    const stopped = live.stop().then(() => {
      ended = true;
    });
    await publisher.publish("t", 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    finish();
    await stopped;
    await live.stop();
    expect(got).toEqual([1]);
    expect(deliveries(events)).toEqual(["handled"]);
  });
});

describe("a typed topic", () => {
  const Order = v.object({ id: v.string() });
  const orders = topic("pubsub", "orders", Order);

  test("checks what is published and what is delivered", async () => {
    const { got, handler } = collector();
    const dead = collector();
    const { runtime, publisher, events } = await consuming(
      subscribe(orders, handler as Handler<{ id: string }>, { deadLetterTopic: "dead" }),
      subscribe("pubsub", "dead", dead.handler),
    );
    const typed = runtime.blocks.pubsub(orders);
    await expect(typed.publish({ id: 1 } as never)).rejects.toMatchObject({ kind: "invalid" });
    await typed.publish({ id: "o-1" });
    await publisher.publish("orders", { id: 2 });
    await settled(() => expect(deliveries(events)).toHaveLength(3));
    expect(got.map(({ data }) => data)).toEqual([{ id: "o-1" }]);
    expect(dead.got).toMatchObject([{ data: { id: 2 }, topic: "orders" }]);
  });
});

describe("a batch that a platform brings", () => {
  test("each message is settled by itself, in its place", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const subscription = subscribe("pubsub", "t", ({ data }) => {
      if (data === 3) throw new Error("no");
    });
    const messages = [1, 2, 3, 4].map((data) => message("t", data));
    const answer = await receive(runtime, subscription, messages);
    expect(answer).toEqual({ result: "settled" });
    const done = { is: "done" };
    expect(accepted).toEqual([[done, done, { is: "retry" }, done]]);
  });

  test("after one of an order that is to come again, none of that order is handled", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const got: unknown[] = [];
    const subscription = subscribe("pubsub", "t", ({ data }) => {
      got.push(data);
      if (data === "a1") throw new Error("no");
    });
    const keyed = (data: string) => ({ ...message("t", data), orderingKey: data.slice(0, 1) });
    await receive(runtime, subscription, ["a1", "b1", "a2", "b2"].map(keyed));
    expect(got.sort()).toEqual(["a1", "b1", "b2"]);
    expect(accepted[0]?.map(({ is }) => is)).toEqual(["retry", "done", "retry", "done"]);
  });

  test("a message of a topic that the app does not know stays with the broker, and another's event is not taken", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const { got, handler } = collector();
    const subscription = subscribe("pubsub", "t", handler);
    await receive(runtime, subscription, [message("foreign", 1), message("t", 2)]);
    expect(accepted).toEqual([[{ is: "retry" }, { is: "done" }]]);
    expect(got).toHaveLength(1);
    const call = runtime.blocks.call;
    expect(await subscription.receive(runtime, [subscription], { other: 1 }, call)).toBeUndefined();
  });
});

describe("a subscription that cannot work", () => {
  const { handler } = collector();
  test.each<[string, () => unknown, RegExp]>([
    ["an empty topic", () => subscribe("pubsub", "", handler), /needs the name of a pub\/sub/],
    ["no handler", () => subscribe("pubsub", "t", undefined as never), /has no handler/],
    [
      "a rule that is text",
      () => subscribe("pubsub", "t", { rules: [{ match: "x" as never, handler }] }),
      /a rule is \{ match, handler \}/,
    ],
    ["101 retries", () => subscribe("pubsub", "t", handler, { maxRetries: 101 }), /from 0 to 100/],
    [
      "itself as dead-letter topic",
      () => subscribe("pubsub", "t", handler, { deadLetterTopic: "t" }),
      /must be another topic/,
    ],
    [
      "no handler at a time",
      () => subscribe("pubsub", "t", handler, { concurrency: 0 }),
      /above 0/,
    ],
  ])("%s is refused where it is written", (_name, make, problem) => {
    expect(make).toThrow(problem);
  });

  test.each([
    [
      "a component that nobody declared",
      [subscribe("other", "t", handler)],
      /pubsub other is not found/,
    ],
    [
      "a topic twice",
      [subscribe("pubsub", "t", handler), subscribe("pubsub", "t", handler)],
      /subscribes twice to pubsub, t/,
    ],
  ])("%s fails the start", async (_name, subscriptions, problem) => {
    const { runtime } = runtimeWith(memory.pubsub({}));
    await expect(startSubscriptions(runtime, subscriptions)).rejects.toThrow(problem);
  });
});
