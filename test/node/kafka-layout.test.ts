import type { KafkaMessage } from "kafkajs";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/kafka.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { type CloudEvent, type Delivery, subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";
import { call, consume, failure, opened, serving, text } from "./_broker.ts";

const absent = absentKafka();
type Options = Omit<Parameters<typeof pubsub>[0], "brokers">;

describe.skipIf(absent)(`Kafka${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: KafkaServer;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(pubsub({ brokers: server.brokers, authType: "none", ...options }));
    brokers.push(made);
    return made;
  };
  /** What lies in a topic, from its beginning, by partition. */
  const lying = async (topic: string, count: number) => {
    const found: (KafkaMessage & { partition: number })[] = [];
    const consumer = server.raw.consumer({ groupId: `raw-${topic}`, maxWaitTimeInMs: 200 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message, partition }) => void found.push({ ...message, partition }),
    });
    await vi.waitFor(() => expect(found).toHaveLength(count), 20_000);
    await consumer.disconnect();
    return found;
  };

  beforeAll(async () => {
    server = await startKafka();
  }, 120_000);
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("an event is the record's value; what was written beside it are headers, all of it", async () => {
    await using runtime = createRuntime({
      id: "shop",
      components: { pubsub: pubsub({ brokers: server.brokers, authType: "none" }) },
      host: processHost("node"),
    });
    await server.create("events", 1);
    const metadata = { partitionKey: "k", "X-Tenant": "ü" };
    await runtime.blocks.pubsub("pubsub").publish("events", { n: 1 }, { metadata });
    const [record] = await lying("events", 1);
    expect(JSON.parse(String(record?.value))).toMatchObject({ specversion: "1.0", data: { n: 1 } });
    expect(String(record?.key)).toBe("k");
    const headers = Object.entries(record?.headers ?? {}).map(([name, value]) => [
      name,
      `${value}`,
    ]);
    expect(Object.fromEntries(headers)).toEqual(metadata);
  });

  test("keys go to the partitions that Dapr's driver takes, and a number goes before a key", async () => {
    await server.create("keys", 5);
    const publisher = broker();
    // 32-bit FNV-1a of "a" is e40c292c, of "b" e70c2de5, of "foobar" bf9cf968, each negative as a signed number.
    for (const key of ["a", "b", "foobar"]) {
      await publisher.publish("keys", { data: key, metadata: {}, orderingKey: key }, call);
      await publisher.publish("keys", { data: key, metadata: { __key: key } }, call);
    }
    const metadata = { partitionKey: "a", partitionNumber: "3" };
    await publisher.publish("keys", { data: "forced", metadata }, call);
    const found = (await lying("keys", 7)).map(({ value, partition }) => `${value} ${partition}`);
    expect(found.sort()).toEqual(
      ["a 1", "a 1", "b 4", "b 4", "foobar 1", "foobar 1", "forced 3"].sort(),
    );
    const wrong = { data: "x", metadata: { partitionNumber: "one" } };
    expect(await failure(publisher.publish("keys", wrong, call))).toMatch(/^invalid: .*partitionN/);
  });

  test("metadata that the expression matches do not become headers", async () => {
    await server.create("excluded", 1);
    const publisher = broker({ excludeHeaderMetaRegex: "^raw" });
    const metadata = { rawPayload: "true", kept: "1" };
    await publisher.publish("excluded", { data: "x", metadata }, call);
    const [record] = await lying("excluded", 1);
    expect(Object.keys(record?.headers ?? {})).toEqual(["kept"]);
  });

  test("a record of somebody else comes with its headers and Dapr's names for the rest", async () => {
    await server.create("foreign", 1);
    const { seen } = await consume(broker(), "foreign");
    const escaped = await consume(
      broker({ escapeHeaders: true, consumerGroup: "other" }),
      "foreign",
    );
    const producer = server.raw.producer();
    await producer.connect();
    const headers = { trace: "a b", twice: ["1", "2 ü"] };
    const timestamp = "1700000000123";
    await producer.send({
      topic: "foreign",
      messages: [{ key: "k 1", value: "x", headers, timestamp }],
    });
    await producer.send({ topic: "foreign", messages: [{ value: null }] });
    await producer.disconnect();
    await vi.waitFor(() => expect(seen).toHaveLength(2), 10_000);
    expect(seen.map(text)).toEqual(["x", ""]);
    const place = { __topic: "foreign", __partition: "0", __timestamp: timestamp, __offset: "0" };
    expect(seen[0]?.metadata).toEqual({ trace: "a b", twice: "2 ü", __key: "k 1", ...place });
    expect(seen[0]).toMatchObject({ topic: "foreign", attempt: 1, orderingKey: "k 1" });
    expect(seen[1]?.metadata.__key).toBeUndefined();
    await vi.waitFor(() => expect(escaped.seen).toHaveLength(2), 10_000);
    const written = { trace: "a+b", twice: "2+%C3%BC", __key: "k+1" };
    expect(escaped.seen[0]?.metadata).toEqual({ ...written, ...place });
  });

  test("an event in binary mode is one, and its bytes where the subscription is raw", async () => {
    await server.create("binary", 1);
    const got: unknown[] = [];
    const handler = (event: CloudEvent, _: unknown, { data }: Delivery) =>
      void got.push([event.type, event.data, typeof data === "string" && JSON.parse(data).id]);
    const settings = { brokers: server.brokers, authType: "none" };
    await using _events = await serving(
      pubsub({ ...settings, consumerGroup: "events" }),
      subscribe("pubsub", "binary", { rules: [{ match: ({ type }) => type === "t", handler }] }),
    );
    await using _raw = await serving(
      pubsub({ ...settings, consumerGroup: "raw" }),
      subscribe("pubsub", "binary", handler, { rawPayload: true }),
    );
    const producer = server.raw.producer();
    await producer.connect();
    const attributes = { ce_id: "1", ce_source: "s", ce_type: "t", ce_specversion: "1.0" };
    const headers = { ...attributes, "content-type": "application/json" };
    await producer.send({ topic: "binary", messages: [{ value: '{"n":1}', headers }] });
    await producer.disconnect();
    await vi.waitFor(() => expect(got).toHaveLength(2), 10_000);
    expect(got).toContainEqual(["t", { n: 1 }, "1"]);
    expect(got).toContainEqual(["com.dapr.event.sent", Buffer.from('{"n":1}'), false]);
  });

  test.each(["gzip", "zstd"])(
    "records compressed by %s are read, also by others",
    async (compression) => {
      await server.create(compression, 1);
      const { seen } = await consume(broker(), compression);
      const data = "0123456789".repeat(1000);
      await broker({ compression }).publish(compression, { data, metadata: {} }, call);
      await vi.waitFor(() => expect(seen.map(text)).toEqual([data]), 10_000);
      const [record] = await lying(compression, 1);
      expect(String(record?.value)).toBe(data);
    },
  );

  test("a bulk is told of each message that is too large, and the others are published", async () => {
    await server.create("bulk", 2);
    const publisher = broker({ maxMessageBytes: 10_000 });
    const sizes = [100, 20_000, 9000, 9000];
    const messages = sizes.map((size) => ({ data: "x".repeat(size), metadata: {} }));
    const outcomes = await publisher.publishBulk?.("bulk", messages, call);
    expect(outcomes?.map((outcome) => outcome?.kind)).toEqual([
      undefined,
      "invalid",
      undefined,
      undefined,
    ]);
    const found = (await lying("bulk", 3)).map(({ value }) => value?.length);
    expect(found.sort()).toEqual([100, 9000, 9000]);
  });
});
