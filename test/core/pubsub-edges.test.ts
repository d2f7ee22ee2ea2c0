import { afterEach, describe, expect, test } from "vitest";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { subscribe } from "../../src/index.ts";
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

describe("what Dapr's names in the metadata ask of the runtime", () => {
  const sending = (features: readonly ["MESSAGE_TTL"] | readonly [] = []) => {
    const sent: { data: string | Uint8Array; ttl?: number | undefined }[] = [];
    const publish = async (_topic: string, message: (typeof sent)[number]) =>
      void sent.push(message);
    return { sent, ...runtimeWith(fakeComponent({ publish }, {}, features)) };
  };

  test.each([
    ["ttlInSeconds", "7", 7000],
    ["ttl", "1500ms", 1500],
    ["TTLINSECONDS", "1m", 60_000],
  ])("%s=%s is a time to live", async (name, value, ttl) => {
    const { sent, publisher } = sending(["MESSAGE_TTL"]);
    await publisher.publish("t", 1, { metadata: { [name]: value } });
    expect(sent[0]?.ttl).toBe(ttl);
    await publisher.publish("t", 1, { metadata: { [name]: value }, ttlInSeconds: 9 });
    expect(sent[1]?.ttl).toBe(9000);
  });

  test("rawPayload sends the data as it is, and an option in code wins", async () => {
    const { sent, publisher } = sending();
    await publisher.publish("t", "x", { metadata: { rawPayload: "True" } });
    await publisher.publish("t", "x", { metadata: { rawPayload: "1" }, rawPayload: false });
    expect(sent[0]?.data).toBe("x");
    expect(JSON.parse(String(sent[1]?.data))).toMatchObject({ data: "x" });
  });

  test("cloudevent.* are attributes of the event", async () => {
    const { sent, publisher } = sending();
    const metadata = { "CloudEvent.Id": "i", "cloudevent.type": "t", "cloudevent.traceid": "00-1" };
    await publisher.publish("t", 1, { metadata, cloudEvent: { type: "mine" } });
    const event = JSON.parse(String(sent[0]?.data));
    expect(event).toMatchObject({ id: "i", type: "mine", traceparent: "00-1", traceid: "00-1" });
  });

  test.each<Record<string, string>>([
    { rawPayload: "yes" },
    { ttlInSeconds: "0" },
    { ttl: "-1" },
    { ttl: "soon" },
  ])("%o is refused", async (metadata) => {
    const { sent, publisher } = sending();
    const refusal = { code: "ERR_PUBSUB_REQUEST_METADATA", status: 400 };
    await expect(publisher.publish("t", 1, { metadata })).rejects.toMatchObject(refusal);
    expect(sent).toEqual([]);
  });
});

describe("data and its content type", () => {
  test.each([
    ["text as bytes", "hi", "application/octet-stream", { data_base64: "aGk=" }],
    ["an object as text", { a: 1 }, "text/plain", { data: '{"a":1}' }],
    ["an ArrayBuffer", new Uint8Array([1]).buffer, undefined, { data_base64: "AQ==" }],
  ])("%s", async (_name, data, contentType, expected) => {
    const sent: string[] = [];
    const publish = async (_topic: string, message: { data: string | Uint8Array }) =>
      void sent.push(String(message.data));
    const { publisher } = runtimeWith(fakeComponent({ publish }));
    await publisher.publish("t", data, { contentType });
    expect(JSON.parse(sent[0] as string)).toMatchObject(expected);
  });

  test("a view that would be an empty object is refused", async () => {
    const { publisher } = runtimeWith(fakeComponent({}));
    const view = new DataView(new ArrayBuffer(1));
    await expect(publisher.publish("t", view)).rejects.toMatchObject({ kind: "invalid" });
    await publisher.publish("t", new Uint8Array(1));
  });

  test("a ready-made event's numbers keep their digits, and what is undefined is filled in", async () => {
    const sent: string[] = [];
    const publish = async (_topic: string, message: { data: string | Uint8Array }) =>
      void sent.push(String(message.data));
    const { publisher } = runtimeWith(fakeComponent({ publish }));
    const contentType = "application/cloudevents+json";
    await publisher.publish("t", '{"id":"a","data":12345678901234567890,"n":1.50}', {
      contentType,
    });
    await publisher.publish("t", { id: "b", source: undefined, traceid: "" }, { contentType });
    expect(sent[0]).toContain('"data":12345678901234567890,');
    expect(sent[0]).toContain('"n":1.50');
    const second = JSON.parse(sent[1] as string);
    expect(second).toMatchObject({ source: "Dapr", traceid: "" });
    expect(second).not.toHaveProperty("traceparent");
  });
});

describe("an ordering key in a bulk", () => {
  const keyed = ["a1", "b1", "a2", "b2", "a3"].map((data) => ({
    data,
    entryId: data,
    orderingKey: data.slice(0, 1),
  }));
  const namesOf = (data: string | Uint8Array) => JSON.parse(String(data)).data as string;

  test("what comes after one that failed is not published, by single publishes", async () => {
    const sent: string[] = [];
    const publish = async (_topic: string, { data }: { data: string | Uint8Array }) => {
      if (namesOf(data) === "a2") throw new ComponentError("unavailable", "full");
      await Promise.resolve();
      sent.push(namesOf(data));
    };
    const { publisher } = runtimeWith(fakeComponent({ publish }, {}, ["ORDERING"]));
    const failed = { failures: [{ key: "a2" }, { key: "a3" }] };
    await expect(publisher.publishBulk("t", keyed)).rejects.toMatchObject(failed);
    expect(sent.sort()).toEqual(["a1", "b1", "b2"]);
  });

  test("nor in the calls after the one in which it failed", async () => {
    const calls: string[][] = [];
    const { publisher } = runtimeWith(
      fakeComponent(
        {
          maxBulkMessages: 2,
          async publishBulk(_topic, messages) {
            const names = messages.map(({ data }) => namesOf(data));
            calls.push(names);
            return names.map((name) =>
              name === "a1" ? new ComponentError("unavailable", "full") : undefined,
            );
          },
        },
        {},
        ["ORDERING"],
      ),
    );
    const failed = { failures: [{ key: "a1" }, { key: "a2" }, { key: "a3" }] };
    await expect(publisher.publishBulk("t", keyed)).rejects.toMatchObject(failed);
    expect(calls).toEqual([["a1", "b1"], ["b2"]]);
  });
});

describe("a pushed batch", () => {
  test("no more handlers run at a time than the subscription says", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    let [running, most] = [0, 0];
    const subscription = subscribe(
      "pubsub",
      "t",
      async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running--;
      },
      { concurrency: 2 },
    );
    await receive(
      runtime,
      subscription,
      [1, 2, 3, 4, 5].map((data) => message("t", data)),
    );
    expect(most).toBe(2);
    expect(accepted[0]).toHaveLength(5);
  });

  test("what waits behind one of its order comes after it", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const options = { maxRetries: 3, retryDelayMs: 700 };
    const subscription = subscribe("pubsub", "t", () => "RETRY", options);
    const keyed = [1, 2].map((data) => ({ ...message("t", data), orderingKey: "k" }));
    await receive(runtime, subscription, keyed);
    const later = { is: "retry", delay: 700 };
    expect(accepted).toEqual([[later, later]]);
  });

  test("a message of a wildcard finds its subscription", async () => {
    const { component, accepted } = pushing({});
    const { runtime } = runtimeWith(component);
    const { got, handler } = collector();
    const one = { ...message("orders.eu", 1), subscribed: "orders.*" };
    await receive(runtime, subscribe("pubsub", "orders.*", handler), [one]);
    expect(accepted).toEqual([[{ is: "done" }]]);
    expect(got).toHaveLength(1);
  });

  test("a topic that the scopes keep from the app fails the batch", async () => {
    const { component, accepted } = pushing({ allowedTopics: "a" });
    const { runtime } = runtimeWith(component);
    const { got, handler } = collector();
    await receive(runtime, subscribe("pubsub", "a", handler), [message("a", 1)]);
    expect(got).toHaveLength(1);
    const forbidden = { code: "ERR_PUBSUB_FORBIDDEN" };
    const topics = subscribe("pubsub", "b", handler);
    await expect(receive(runtime, topics, [message("b", 1)])).rejects.toMatchObject(forbidden);
    const burying = subscribe("pubsub", "a", handler, { deadLetterTopic: "b" });
    await expect(receive(runtime, burying, [message("a", 1)])).rejects.toMatchObject(forbidden);
    expect(accepted).toHaveLength(1);
    expect(got).toHaveLength(1);
  });
});

describe("the lease of a message", () => {
  test("a handler has until the message's own deadline", async () => {
    const { component, accepted } = pushing({ processingTimeout: 60_000 });
    const { runtime, clock } = runtimeWith(component);
    let signal: AbortSignal | undefined;
    const hanging = subscribe("pubsub", "t", (_event, { call }) => {
      signal = call.signal;
      return new Promise<void>(() => undefined);
    });
    const deadline = clock.now() + 500;
    const received = receive(runtime, hanging, [{ ...message("t", 1), deadline }]);
    await settled(() => expect(signal).toBeDefined());
    clock.advance(499);
    expect(signal?.aborted).toBe(false);
    clock.advance(1);
    await received;
    expect(accepted).toEqual([[{ is: "retry" }]]);
  });

  test("a message that the broker gave to another is neither buried nor counted", async () => {
    let request: SubscribeRequest | undefined;
    const published: string[] = [];
    const component = fakeComponent({
      publish: async (topic) => void published.push(topic),
      async subscribe(given) {
        request = given;
        return { stop: async () => undefined };
      },
    });
    const { runtime } = runtimeWith(component);
    let signal: AbortSignal | undefined;
    const hanging = subscribe(
      "pubsub",
      "t",
      (_event, { call }) => {
        signal = call.signal;
        return new Promise<void>(() => undefined);
      },
      { maxRetries: 0, deadLetterTopic: "dead" },
    );
    await startSubscriptions(runtime, [hanging]);
    const lost = new AbortController();
    const outcome = request?.deliver(message("t", 1), lost.signal);
    await settled(() => expect(signal).toBeDefined());
    lost.abort(new Error("rebalanced"));
    expect(await outcome).toEqual({ is: "retry" });
    expect(signal?.aborted).toBe(true);
    expect(published).toEqual([]);
  });
});

describe("a start that fails", () => {
  test("is told at once, as what it is, and what is live by then or later is stopped", async () => {
    const stopped: string[] = [];
    let finish = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const component = fakeComponent({
      async subscribe({ topic }) {
        if (topic === "away") throw new ComponentError("unavailable", "no broker");
        if (topic === "slow") await slow;
        return { stop: async () => void stopped.push(topic) };
      },
    });
    const { runtime } = runtimeWith(component);
    const { handler } = collector();
    const starting = startSubscriptions(
      runtime,
      ["live", "slow", "away"].map((topic) => subscribe("pubsub", topic, handler)),
    );
    await expect(starting).rejects.toMatchObject({
      code: "ERR_CONFIGURATION",
      kind: "unavailable",
      message: "cannot subscribe to topic away of pubsub: no broker",
    });
    await settled(() => expect(stopped).toEqual(["live"]));
    finish();
    await settled(() => expect(stopped).toEqual(["live", "slow"]));
  });
});

test("a retry delay without a limit of retries is obeyed", async () => {
  const { component, accepted } = pushing({});
  const { runtime } = runtimeWith(component);
  const subscription = subscribe("pubsub", "t", () => "RETRY", { retryDelayMs: 300 });
  await receive(runtime, subscription, [{ ...message("t", 1), attempt: 3 }]);
  expect(accepted).toEqual([[{ is: "retry", delay: 1200 }]]);
});
