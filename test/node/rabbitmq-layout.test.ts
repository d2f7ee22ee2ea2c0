import type { Channel, ConfirmChannel, ConsumeMessage } from "amqplib";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { call, consume, failure, opened, serving, text } from "./_broker.ts";

const absent = absentRabbit();
type Options = Parameters<typeof pubsub>[0];

describe.skipIf(absent)(`pubsub.rabbitmq${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: RabbitServer;
  let raw: ConfirmChannel;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(pubsub({ connectionString: server.url, ...options }));
    brokers.push(made);
    return made;
  };
  /** Declares a queue as somebody else would; rejects, and closes its channel, where it is there with other arguments. */
  const declares = async (work: (channel: Channel) => Promise<unknown>) => {
    const channel = await (await server.raw()).createChannel();
    channel.on("error", () => undefined);
    await work(channel);
    await channel.close();
  };

  beforeAll(async () => {
    server = await startRabbit();
    raw = await (await server.raw()).createConfirmChannel();
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("publishes an event as daprd does: its properties, no headers", async () => {
    await using runtime = createRuntime({
      id: "shop",
      components: { pubsub: pubsub({ connectionString: server.url }) },
      host: processHost("node"),
    });
    const publisher = runtime.blocks.pubsub("pubsub");
    await declares((channel) => channel.assertExchange("out", "fanout", { durable: true }));
    await raw.assertQueue("spy");
    await raw.bindQueue("spy", "out", "");
    await publisher.publish("out", { n: 1 }, { cloudEvent: { id: "e-1" } });
    await publisher.publish("out", Uint8Array.of(0xff, 0), {
      rawPayload: true,
      ttlInSeconds: 60,
      metadata: {
        priority: "300",
        messageID: "m",
        correlationid: "c",
        type: "t",
        contentType: "x/y",
        other: "x",
      },
    });
    const [first, second] = [await raw.get("spy"), await raw.get("spy")];
    if (!first || !second) throw new Error("the server has them");
    expect(JSON.parse(first.content.toString())).toMatchObject({ id: "e-1", data: { n: 1 } });
    expect(first.properties).toMatchObject({
      contentType: "text/plain",
      deliveryMode: 2,
      headers: {},
      messageId: undefined,
      expiration: undefined,
    });
    expect([...second.content]).toEqual([0xff, 0]);
    expect(second.properties).toMatchObject({
      contentType: "x/y",
      messageId: "m",
      correlationId: "c",
      type: "t",
      priority: 255,
      expiration: "60000",
      headers: {},
    });
  });

  test("declares what daprd declares, and consumes what it, and anybody else, published", async () => {
    // As daprd with its defaults.
    await declares(async (channel) => {
      await channel.assertExchange("theirs", "fanout", { durable: true, autoDelete: true });
      await channel.assertQueue("shop-theirs", {
        durable: true,
        autoDelete: true,
        arguments: { "x-queue-type": "classic" },
      });
    });
    const options = { deletedWhenUnused: true, publishMessagePropertiesToMetadata: true };
    const { seen } = await consume(broker(options), "theirs");
    raw.publish("theirs", "", Buffer.of(0xff, 0), {
      contentType: "text/plain",
      messageId: "m-1",
      headers: { x: "y" },
    });
    raw.publish("theirs", "", Buffer.from('{"specversion":"1.0"}'), {
      contentType: "application/json",
    });
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    expect(new Uint8Array(seen[0]?.data as Uint8Array)).toEqual(Uint8Array.of(0xff, 0));
    expect(seen[0]).toMatchObject({
      id: "m-1",
      topic: "theirs",
      attempt: 1,
      metadata: {
        "metadata.messageid": "m-1",
        "metadata.contenttype": "text/plain",
        "metadata.x": "y",
      },
    });
    expect(seen.slice(1).map(text)).toEqual(['{"specversion":"1.0"}']);
  });

  test("a queue's arguments are those of the settings and the subscription", async () => {
    await consume(broker({ maxLen: 7, enableDeadLetter: true }), "args", undefined, {
      queueName: "mine",
      maxPriority: "300",
      singleActiveConsumer: "true",
      maxLenBytes: "5000",
      routingKey: "a,b",
    });
    await declares((channel) =>
      channel.assertQueue("mine", {
        durable: true,
        arguments: {
          "x-queue-type": "classic",
          "x-max-priority": 255,
          "x-single-active-consumer": true,
          "x-max-length": 7,
          "x-max-length-bytes": 5000,
          "x-dead-letter-exchange": "dlx-mine",
        },
      }),
    );
    await declares((channel) =>
      channel.assertQueue("dlq-mine", {
        durable: true,
        arguments: { "x-queue-mode": "lazy", "x-max-length": 7, "x-max-length-bytes": 5000 },
      }),
    );
  });

  test("arguments that differ are told with what to set", async () => {
    await declares(async (channel) => {
      await channel.assertExchange("other", "fanout", { durable: true, autoDelete: true });
    });
    const found = [
      await failure(consume(broker(), "other")),
      await failure(broker().publish("other", { data: "x", metadata: {} }, call)),
    ];
    for (const one of found) {
      expect(one).toMatch(/^config: .*auto_delete.*deletedWhenUnused \(daprd's default is true\)/);
    }
    await broker({ deletedWhenUnused: true }).publish("other", { data: "x", metadata: {} }, call);
  });

  test.each(["classic", "quorum"])(
    "a %s queue counts, and delays, deliveries",
    async (queueType) => {
      const topic = `count-${queueType}`;
      const times: number[] = [];
      const { seen } = await consume(
        broker({ publishMessagePropertiesToMetadata: true }),
        topic,
        ({ attempt }) => {
          times.push(Date.now());
          return attempt < 3 ? { is: "retry", delay: 150 * attempt } : { is: "done" };
        },
        { queueType },
      );
      await broker().publish(topic, { data: "x", metadata: {} }, call);
      await vi.waitFor(() => expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2, 3]), 10_000);
      expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
      // Nothing bounds the deliveries, and so it is still the first one.
      const told = seen.flatMap(({ metadata }) => Object.keys(metadata));
      expect(told).toContain("metadata.contenttype");
      expect(told).not.toContain("metadata.x-pillion-delivered");
      const [first = 0, second = 0, third = 0] = times;
      expect(second - first).toBeGreaterThanOrEqual(145);
      expect(third - second).toBeGreaterThanOrEqual(290);
    },
  );

  test.each(["classic", "quorum"])(
    "a hundred messages that wait to come again in a %s queue stand in nobody's way",
    async (queueType) => {
      const topic = `wait-${queueType}`;
      const answer = (message: { data: Uint8Array | string }) =>
        text(message as never).startsWith("bad")
          ? ({ is: "retry", delay: 600_000 } as const)
          : ({ is: "done" } as const);
      const { seen, stop } = await consume(broker(), topic, answer, { queueType }, 2);
      const publisher = broker();
      for (let number = 0; number < 100; number++) {
        await publisher.publish(topic, { data: `bad ${number}`, metadata: {} }, call);
      }
      await publisher.publish(topic, { data: "good", metadata: {} }, call);
      await vi.waitFor(() => expect(seen.map(text)).toContain("good"), 20_000);
      // All of them are the queue's again once the subscription ends.
      await stop();
      await vi.waitFor(async () =>
        expect((await raw.checkQueue(`shop-${topic}`)).messageCount).toBe(100),
      );
    },
  );

  test("what failed without a policy goes to the server's dead letters, and with one comes again", async () => {
    const { seen } = await consume(broker({ enableDeadLetter: true }), "dead", ({ attempt }) =>
      attempt === 1 ? { is: "retry", delay: 10 } : { is: "retry" },
    );
    await broker({ enableDeadLetter: true }).publish("dead", { data: "x", metadata: {} }, call);
    let buried: ConsumeMessage | undefined;
    await raw.consume("dlq-shop-dead", (message) => {
      buried = message ?? undefined;
    });
    await vi.waitFor(() => expect(buried?.content.toString()).toBe("x"), 10_000);
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test("a dead letter waits for who subscribes to its topic afterwards, unless somebody does already", async () => {
    const component = () => pubsub({ connectionString: server.url });
    const failing = (topic: string, deadLetterTopic: string) =>
      subscribe("pubsub", topic, () => ({ status: "DROP" }), { deadLetterTopic });
    const theirs = await consume(broker({ consumerID: "other" }), "taken");
    const graves = { graved: "grave", taking: "taken" };
    const subscriptions = Object.entries(graves).map((pair) => failing(...pair));
    await using runtime = await serving(component(), ...subscriptions);
    for (const data of [1, 2]) {
      await runtime.blocks.pubsub("pubsub").publish("graved", data);
      await runtime.blocks.pubsub("pubsub").publish("taking", data);
    }
    const waiting = async () => (await raw.checkQueue("shop-grave")).messageCount;
    await vi.waitFor(() => expect(theirs.seen).toHaveLength(2), 10_000);
    await vi.waitFor(async () => {
      await declares((channel) => channel.checkQueue("shop-grave"));
      expect(await waiting()).toBe(2);
    }, 10_000);
    await expect(declares((channel) => channel.checkQueue("shop-taken"))).rejects.toThrow("404");
    const got: unknown[] = [];
    const burying = subscribe("pubsub", "grave", ({ data }) => void got.push(data));
    await using _ = await serving(component(), burying);
    await vi.waitFor(() => expect(got).toEqual([1, 2]), 10_000);
  });

  test("without dead letters a failed message comes again, where daprd drops it", async () => {
    const { seen } = await consume(broker({ requeueInFailure: false }), "again", ({ attempt }) =>
      attempt === 1 ? { is: "retry" } : { is: "done" },
    );
    await broker().publish("again", { data: "x", metadata: {} }, call);
    await vi.waitFor(() => expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]), 10_000);
  });

  test("as many handlers at a time as are asked for, however many the protocol can say", async () => {
    const { seen } = await consume(broker(), "many", undefined, {}, 100_000);
    await broker().publish("many", { data: "x", metadata: {} }, call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["x"]), 10_000);
  });

  test("a message whose time is over is the server's to drop", async () => {
    await (await consume(broker(), "ttl")).stop();
    const message = { data: "x", metadata: {}, ttl: 200 };
    await broker().publish("ttl", message, call);
    await broker({ ttlInSeconds: 600 }).publish("ttl", { data: "y", metadata: {} }, call);
    await vi.waitFor(async () => expect((await raw.checkQueue("shop-ttl")).messageCount).toBe(1));
    const { seen } = await consume(broker(), "ttl");
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["y"]));
  });

  test.each<[Record<string, string>, string]>([
    [{ priority: "high" }, "priority must be a whole number"],
    [{}, "ttlInSeconds is more than"],
  ])("cannot publish with %j", async (metadata, words) => {
    const message = { data: "x", metadata, ttl: 2 ** 33 };
    const found = await failure(broker().publish("bad", message, call));
    expect(found).toMatch(/^invalid: component broker: /);
    if (!("priority" in metadata)) expect(found).toContain(words);
  });

  test.each<[Record<string, string>, string]>([
    [{ queueType: "stream" }, 'queueType "stream" of topic bad must be classic or quorum'],
    [{ maxLen: "many" }, "maxLen of topic bad must be a whole number above 0"],
  ])("cannot subscribe with %j", async (metadata, words) => {
    const found = await failure(consume(broker(), "bad", undefined, metadata));
    expect(found).toContain(`config: component broker: ${words}`);
  });

  test.each<[Options, string]>([
    [{}, "needs connectionString, or hostname"],
    [{ connectionString: "amqp://h", hostname: "h" }, "are two addresses: keep one"],
    [{ connectionString: "http://u:secret@h" }, "connectionString must be amqp://"],
    [{ connectionString: "amqp://u:%secret@h" }, "connectionString has a % that does not begin"],
    [{ connectionString: "amqp://h/%secret" }, "connectionString has a % that does not begin"],
    [{ hostname: "u:%secret@h" }, "hostname has a % that does not begin a character's code"],
    [{ hostname: "h", autoAck: true }, "autoAck must be false"],
    [{ hostname: "h", exchangeKind: "ring" }, "must be one of fanout, topic, direct, headers"],
    [{ hostname: "h", deliveryMode: 3 }, "deliveryMode must be 0, 1 or 2"],
    [{ hostname: "h", prefetchCount: 256 }, "prefetchCount must be a whole number from 0 to 255"],
    [{ hostname: "h", saslExternal: true }, "saslExternal needs clientCert"],
    [{ hostname: "h", maxLen: 0 }, "maxLen must be above 0"],
    [{ hostname: "h", concurrencyMode: "many" }, "must be single or parallel"],
  ])("refuses %j", (options, words) => {
    const open = () => opened(pubsub(options));
    expect(open).toThrow(words);
    expect(open).not.toThrow("secret");
  });
});
