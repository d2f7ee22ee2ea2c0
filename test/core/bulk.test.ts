import { afterEach, describe, expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { type BulkHandler, type BulkMessage, bulk } from "../../src/blocks/pubsub/bulk.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { receive } from "../../src/blocks/pubsub/receive.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import {
  type IncomingMessage,
  type Outcome,
  pubSub,
  type SubscribeRequest,
} from "../../src/contracts/pubsub.ts";
import type { PillionEvent } from "../../src/events.ts";
import { subscribe, type TopicSubscription } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";

const started: Runtime[] = [];
afterEach(() => Promise.all(started.splice(0).map((runtime) => runtime.close())));

function runtimeWith(pubsub: Component) {
  const events: PillionEvent[] = [];
  const clock = virtualClock();
  const runtime = createRuntime({
    id: "shop",
    components: { pubsub },
    host: processHost("node", { clock }),
    onEvent: (event) => events.push(event),
  });
  started.push(runtime);
  const outcomes = () =>
    events.flatMap((event) => (event.type === "pubsub.delivery" ? [event.outcome] : [])).sort();
  return { runtime, clock, outcomes, publisher: runtime.blocks.pubsub("pubsub") };
}

async function consuming(...subscriptions: TopicSubscription[]) {
  const bed = runtimeWith(memory.pubsub({}));
  await startSubscriptions(bed.runtime, subscriptions);
  const send = async (...all: unknown[]) => {
    for (const data of all) await bed.publisher.publish("t", data);
    // Everything is in hand once nothing is left to run but timers.
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  };
  return { ...bed, send };
}

/** Answers every message by what `status` says of its data, and keeps the lists. */
function lists(status: (data: unknown) => unknown = () => "SUCCESS") {
  const got: unknown[][] = [];
  const handler: BulkHandler = async (messages: readonly BulkMessage[]) => {
    got.push(messages.map(({ event }) => event.data));
    return messages.map(({ entryId, event }) => ({ entryId, status: status(event.data) as never }));
  };
  return { got, handler };
}

const settled = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });

describe("a list", () => {
  test("goes out when it is full", async () => {
    const { got, handler } = lists();
    const { send, outcomes, clock } = await consuming(
      subscribe("pubsub", "t", bulk(handler, { maxMessagesCount: 3 })),
    );
    await send(1, 2, 3, 4, 5, 6, 7);
    await settled(() =>
      expect(got).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    );
    await settled(() => expect(outcomes()).toHaveLength(6));
    clock.advance(1000);
  });

  test("goes out when its first message has waited", async () => {
    const { got, handler } = lists();
    const { send, clock } = await consuming(
      subscribe("pubsub", "t", bulk(handler, { maxAwaitDurationMs: 50 })),
    );
    await send(1);
    clock.advance(30);
    await send(2);
    clock.advance(19);
    await send();
    expect(got).toEqual([]);
    clock.advance(1);
    await settled(() => expect(got).toEqual([[1, 2]]));
    await send(3);
    clock.advance(50);
    await settled(() => expect(got).toEqual([[1, 2], [3]]));
  });

  test("holds 100 messages and waits a second, as in Dapr", async () => {
    const { got, handler } = lists();
    const { send, clock } = await consuming(subscribe("pubsub", "t", bulk(handler)));
    await send(...Array.from({ length: 150 }, (_, n) => n));
    await settled(() => expect(got.map(({ length }) => length)).toEqual([100]));
    await send();
    clock.advance(999);
    await send();
    expect(got).toHaveLength(1);
    clock.advance(1);
    await settled(() => expect(got.map(({ length }) => length)).toEqual([100, 50]));
  });

  test("waits no longer than a moment for more of an order, whose next one waits for it", async () => {
    const { got, handler } = lists();
    let request: SubscribeRequest | undefined;
    const component = pubSub({
      type: "pubsub.ordered",
      runsOn: ["node"],
      fields: {},
      features: () => ["ORDERING"],
      open: () => ({
        publish: async () => undefined,
        native: () => undefined,
        async subscribe(given) {
          request = given;
          return { stop: async () => undefined };
        },
      }),
    })({});
    const { runtime, clock } = runtimeWith(component);
    await startSubscriptions(runtime, [subscribe("pubsub", "t", bulk(handler))]);
    const deliver = (id: string, orderingKey?: string) => {
      const data = JSON.stringify({ id, data: id });
      return request?.deliver({ id, topic: "t", data, metadata: {}, attempt: 1, orderingKey });
    };
    const first = deliver("first");
    const turns = () => new Promise((resolve) => setImmediate(resolve));
    await turns();
    clock.advance(500);
    await turns();
    expect(got).toEqual([]);
    const keyed = deliver("keyed", "a");
    await turns();
    clock.advance(10);
    expect(await Promise.all([first, keyed])).toEqual([{ is: "done" }, { is: "done" }]);
    expect(got).toEqual([["first", "keyed"]]);
  });

  test("is of one rule's messages", async () => {
    const odd = lists();
    const rest = lists();
    const { send } = await consuming(
      subscribe("pubsub", "t", {
        rules: [
          {
            match: ({ data }) => (data as number) % 2 === 1,
            handler: bulk(odd.handler, { maxMessagesCount: 2 }),
          },
        ],
        default: bulk(rest.handler, { maxMessagesCount: 2 }),
      }),
    );
    // Two in hand at a time, as the largest list has.
    await send(1, 3, 2, 4);
    await settled(() => expect(odd.got).toEqual([[1, 3]]));
    await settled(() => expect(rest.got).toEqual([[2, 4]]));
  });
});

describe("each message of a list", () => {
  test.each([
    ["SUCCESS", "handled"],
    ["DROP", "dropped"],
    ["RETRY", "retried"],
    ["", "retried"],
    [undefined, "retried"],
    ["success", "retried"],
    [17, "retried"],
  ])("under the status %j is %s, and the others are not", async (status, expected) => {
    const { handler } = lists((data) => (data === "odd" ? status : "SUCCESS"));
    const { send, outcomes } = await consuming(
      subscribe("pubsub", "t", bulk(handler, { maxMessagesCount: 3 })),
    );
    await send("odd", "a", "b");
    await settled(() => expect(outcomes()).toEqual(["handled", "handled", expected].sort()));
  });

  test.each([
    ["nothing", undefined],
    ["an empty list", []],
    ["names that there are not", [{ entryId: "x", status: "SUCCESS" }]],
    ["rubbish", [null, 1, { status: "SUCCESS" }]],
    ["an object", { statuses: [] }],
  ])("comes again when the handler answers %s", async (_name, answer) => {
    const { send, outcomes } = await consuming(
      subscribe("pubsub", "t", bulk((() => answer) as never, { maxMessagesCount: 2 })),
    );
    await send(1, 2);
    await settled(() => expect(outcomes()).toEqual(["retried", "retried"]));
  });

  test("comes again when the handler throws", async () => {
    const handler = vi.fn(() => {
      throw new Error("broken");
    });
    const { send, outcomes } = await consuming(
      subscribe("pubsub", "t", bulk(handler, { maxMessagesCount: 2 })),
    );
    await send(1, 2);
    await settled(() => expect(outcomes()).toEqual(["retried", "retried"]));
    expect(handler).toHaveBeenCalledTimes(1);
  });

  test("has its own tries and its own way to the dead-letter topic", async () => {
    const { got, handler } = lists((data) => (data === "poison" ? "RETRY" : "SUCCESS"));
    const dead: unknown[] = [];
    const options = { maxRetries: 1, retryDelayMs: 10, deadLetterTopic: "dead" };
    const { send, outcomes, clock } = await consuming(
      subscribe("pubsub", "t", bulk(handler, { maxMessagesCount: 2 }), options),
      subscribe("pubsub", "dead", (event) => void dead.push(event.data)),
    );
    await send("poison", "good");
    await settled(() => expect(outcomes()).toEqual(["handled", "retried"]));
    clock.advance(10);
    await send("other");
    await settled(() => expect(dead).toEqual(["poison"]));
    expect(got).toHaveLength(2);
    expect(new Set(got[1])).toEqual(new Set(["poison", "other"]));
    expect(outcomes()).toEqual(["dead-lettered", "handled", "handled", "handled", "retried"]);
  });
});

describe("what a platform brings", () => {
  const message = (n: number, more: Partial<IncomingMessage> = {}): IncomingMessage => ({
    id: `m${n}`,
    topic: "t",
    data: JSON.stringify({ id: `${n}`, source: "s", type: "t", specversion: "1.0", data: n }),
    metadata: {},
    attempt: 1,
    ...more,
  });
  const pushing = () =>
    runtimeWith(
      pubSub({
        type: "pubsub.pushed",
        runsOn: ["node"],
        fields: {},
        features: () => [],
        open: () => ({
          publish: async () => undefined,
          accept: (event) => ({
            messages: event as readonly IncomingMessage[],
            settle: (outcomes) => outcomes,
          }),
          native: () => undefined,
        }),
      })({}),
    );
  const outcomesOf = async (received: ReturnType<typeof receive>) =>
    ((await received) as { result: Outcome[] }).result.map((outcome) => outcome.is);

  test("is one list at once, with an outcome for each message", async () => {
    const { runtime, clock } = pushing();
    const { got, handler } = lists((data) => (data === 2 ? "RETRY" : "SUCCESS"));
    const subscriptions = [subscribe("pubsub", "t", bulk(handler))];
    const batch = [message(1), message(2), message(3)];
    const received = receive(runtime, subscriptions, batch, runtime.blocks.call);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    clock.advance(10);
    expect(await outcomesOf(received)).toEqual(["done", "retry", "done"]);
    expect(got).toEqual([[1, 2, 3]]);
  });

  test("is not mixed with what another invocation brings at the same time", async () => {
    const { runtime, clock } = pushing();
    const { got, handler } = lists();
    const subscriptions = [subscribe("pubsub", "t", bulk(handler, { maxMessagesCount: 2 }))];
    const both = [1, 2].map((n) =>
      receive(runtime, subscriptions, [message(n)], runtime.blocks.call),
    );
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    clock.advance(10);
    expect(await Promise.all(both.map(outcomesOf))).toEqual([["done"], ["done"]]);
    expect(got).toEqual([[1], [2]]);
  });

  test("under one ordering key comes one after the other", async () => {
    const { runtime, clock } = pushing();
    const { got, handler } = lists();
    const subscriptions = [subscribe("pubsub", "t", bulk(handler))];
    const batch = [message(1, { orderingKey: "k" }), message(2, { orderingKey: "k" }), message(3)];
    const received = receive(runtime, subscriptions, batch, runtime.blocks.call);
    const moving = setInterval(() => clock.advance(10), 1);
    expect(await outcomesOf(received)).toEqual(["done", "done", "done"]);
    clearInterval(moving);
    expect(got).toEqual([[1, 3], [2]]);
  });
});

describe("refused at the start", () => {
  const handler: BulkHandler = () => [];

  test.each([
    ["an inbox", {}, { idempotent: inbox() }, "idempotent takes handlers of one message"],
    ["fewer in hand than a list has", {}, { concurrency: 99 }, "a list of 100 messages"],
    ["no messages", { maxMessagesCount: 0 }, {}, "maxMessagesCount must be a whole number"],
    ["half a millisecond", { maxAwaitDurationMs: 0.5 }, {}, "maxAwaitDurationMs must be"],
  ])("%s", (_name, options, more, why) => {
    const make = () => subscribe("pubsub", "t", bulk(handler, options), more);
    expect(make).toThrow(why);
    expect(make).toThrow(expect.objectContaining({ code: "ERR_CONFIGURATION" }));
  });

  test("and more in hand is not", () => {
    const { options } = subscribe("pubsub", "t", bulk(handler), { concurrency: 200 });
    expect(options.concurrency).toBe(200);
    expect(subscribe("pubsub", "t", bulk(handler)).options.concurrency).toBe(100);
  });
});
