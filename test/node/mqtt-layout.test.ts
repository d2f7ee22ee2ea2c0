import mqtt, { type IClientOptions, type IConnackPacket, type IPublishPacket } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/mqtt.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentMosquitto, type Mosquitto, startMosquitto } from "../harness/mosquitto.ts";
import { call, consume, failure, opened, text } from "./_broker.ts";

const absent = absentMosquitto();
type Options = Omit<Parameters<typeof pubsub>[0], "url">;

describe.skipIf(absent)(`MQTT${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: Mosquitto;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(pubsub({ url: server.url, ...options }));
    brokers.push(made);
    return made;
  };
  /** A client past pillion, with what it got. */
  const raw = async (options: IClientOptions = {}, topic?: string) => {
    const packets: IPublishPacket[] = [];
    let connack: IConnackPacket | undefined;
    const client = mqtt.connect(server.url, options);
    client.on("message", (_topic, _payload, packet) => void packets.push(packet));
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "connack") connack = packet;
    });
    await vi.waitFor(() => expect(client.connected).toBe(true), 10_000);
    if (topic) await client.subscribeAsync(topic, { qos: 2 });
    return { client, packets, sessionPresent: connack?.sessionPresent };
  };

  beforeAll(async () => {
    server = await startMosquitto();
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("an event is the payload, and nothing of the metadata but retain is told the broker", async () => {
    const { client, packets } = await raw({ protocolVersion: 5 }, "l/events");
    await using runtime = createRuntime({
      id: "shop",
      components: { pubsub: pubsub({ url: server.url, protocolVersion: 5 }) },
      host: processHost("node"),
    });
    const { publish } = runtime.blocks.pubsub("pubsub");
    await publish("l/events", { n: 1 }, { metadata: { tenant: "x" } });
    await vi.waitFor(() => expect(packets).toHaveLength(1));
    const [{ payload, qos, properties } = {} as IPublishPacket] = packets;
    expect(JSON.parse(String(payload))).toMatchObject({ specversion: "1.0", data: { n: 1 } });
    expect({ qos, properties }).toEqual({ qos: 1, properties: undefined });
    await client.endAsync();
  });

  test.each([
    [{ retain: true }, {}, true],
    [{ retain: true }, { retain: "false" }, false],
    [{}, { retain: "true" }, true],
    [{}, {}, false],
  ])("%j with metadata %j is kept for who comes later: %j", async (options, metadata, kept) => {
    const topic = `l/retain/${JSON.stringify([options, metadata]).length}`;
    await broker(options).publish(topic, { data: "x", metadata }, call);
    const { seen } = await consume(broker({ consumerID: `later-${topic}` }), topic);
    await broker().publish(topic, { data: "last", metadata: { retain: "false" } }, call);
    await vi.waitFor(() => expect(seen.map(text)).toContain("last"), 10_000);
    const told = seen.map((one) => [text(one), one.metadata.retained]);
    expect(told).toEqual(
      kept
        ? [
            ["x", "true"],
            ["last", "false"],
          ]
        : [["last", "false"]],
    );
  });

  test("consumerID is the client id as it is, and the broker keeps what comes while it is away", async () => {
    const { stop } = await consume(broker({ consumerID: "The Shop" }), "l/kept");
    await stop();
    await broker({ consumerID: "other" }).publish("l/kept", { data: "x", metadata: {} }, call);
    const again = await raw({ clientId: "The Shop", clean: false });
    expect(again.sessionPresent).toBe(true);
    await vi.waitFor(() => expect(again.packets.map(({ payload }) => `${payload}`)).toEqual(["x"]));
    await again.client.endAsync();
    expect((await raw({ clientId: "the shop", clean: false })).sessionPresent).toBe(false);
  });

  test.each([
    ["cleanSession", { cleanSession: true }, {}],
    ["unsubscribeOnClose", {}, { unsubscribeOnClose: "true" }],
  ])("with %s the broker keeps nothing", async (name, options, metadata) => {
    const topic = `l/dropped/${name}`;
    const first = await consume(
      broker({ consumerID: name, ...options }),
      topic,
      undefined,
      metadata,
    );
    const publisher = broker({ consumerID: "other" });
    await publisher.publish(topic, { data: "live", metadata: {} }, call);
    await vi.waitFor(() => expect(first.seen.map(text)).toEqual(["live"]), 10_000);
    await first.stop();
    await publisher.publish(topic, { data: "away", metadata: {} }, call);
    const { seen } = await consume(broker({ consumerID: name, ...options }), topic);
    await publisher.publish(topic, { data: "after", metadata: {} }, call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["after"]), 10_000);
  });

  test("{uuid} in consumerID is another one for each process", async () => {
    const [one, two] = [broker({ consumerID: "u-{uuid}" }), broker({ consumerID: "u-{uuid}" })];
    const [first, second] = [await consume(one, "l/uuid"), await consume(two, "l/uuid")];
    await broker().publish("l/uuid", { data: "x", metadata: {} }, call);
    await vi.waitFor(() => expect([first.seen.length, second.seen.length]).toEqual([1, 1]), 10_000);
  });

  test("a group of Dapr's, $share/group/filter, shares what fits its filter", async () => {
    const filter = "$share/g/l/shared/+";
    const [first, second] = [
      await consume(broker({ consumerID: "s1" }), filter),
      await consume(broker({ consumerID: "s2" }), filter),
    ];
    const publisher = broker({ consumerID: "s3" });
    for (let index = 0; index < 10; index++) {
      await publisher.publish(`l/shared/${index}`, { data: "x", metadata: {} }, call);
    }
    const topics = () => [...first.seen, ...second.seen].map(({ topic }) => topic).sort();
    await vi.waitFor(() => {
      expect(topics()).toEqual(Array.from({ length: 10 }, (_, index) => `l/shared/${index}`));
    }, 10_000);
    expect(first.seen.length).toBeGreaterThan(0);
    expect(second.seen.length).toBeGreaterThan(0);
  });

  test("of several filters that fit, the topic's own one gets it, else the first", async () => {
    const one = broker({ consumerID: "overlap" });
    const all = await consume(one, "l/over/#");
    const some = await consume(one, "l/over/+");
    const own = await consume(one, "l/over/x");
    const publisher = broker({ consumerID: "other" });
    for (const topic of ["l/over/x", "l/over/y", "l/over"]) {
      await publisher.publish(topic, { data: topic, metadata: {} }, call);
    }
    await vi.waitFor(() => expect(all.seen.map(text)).toEqual(["l/over/y", "l/over"]), 10_000);
    expect(own.seen.map(text)).toEqual(["l/over/x"]);
    expect(some.seen).toEqual([]);
  });

  test.each([0, 2])("qos %i goes through, and no JSON breaks nothing", async (qos) => {
    const topic = `l/qos${qos}`;
    const { seen } = await consume(broker({ consumerID: topic, qos }), topic);
    const { client } = await raw();
    for (const data of ["{ no JSON", "", "\u0000"])
      await client.publishAsync(topic, data, { qos: 2 });
    await vi.waitFor(() => expect(seen).toHaveLength(3), 10_000);
    expect(seen.map(text)).toEqual(["{ no JSON", "", "\u0000"]);
    await client.endAsync();
  });

  test.each(["", "a/+", "#", "a\u0000"])("nothing is published to %j", async (topic) => {
    const published = broker().publish(topic, { data: "x", metadata: {} }, call);
    expect(await failure(published)).toMatch(/^invalid: component broker: .* is no topic/);
  });
});
