import { join } from "node:path";
import { CommunicationProtocolEnum, DaprPubSubStatusEnum, DaprServer } from "@dapr/dapr";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { componentYaml, killSidecars, type RunningSidecar } from "../harness/sidecar.ts";
import { startFor } from "./_app.ts";

afterAll(killSidecars);

/** An app as the SDK makes it, and a sidecar for it. */
async function start(bus: string, subscribe: (server: DaprServer) => Promise<void>) {
  const [appPort, port] = await Promise.all([freePort(), freePort()]);
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort: String(appPort),
    communicationProtocol: CommunicationProtocolEnum.HTTP,
    clientOptions: { daprHost: "127.0.0.1", daprPort: String(port) },
  });
  await subscribe(server);
  const starting = startFor(
    { port: appPort },
    { flags: ["--dapr-http-port", String(port)], resources: { "bus.yaml": bus } },
  );
  await server.start();
  return { server, sidecar: await starting };
}

const wait = { timeout: 10_000 };

type Told = { readonly from: string; readonly data: unknown; readonly headers?: unknown };

let redis: RedisServer | undefined;
beforeAll(async () => {
  if (!absentRedis()) redis = await startRedis();
});
afterAll(() => redis?.stop());

const file = () => join(newFolder("queue"), "queue.db");
const brokers = {
  "pubsub.in-memory": () => ({}),
  "pubsub.sqlite": () => ({ connectionString: file() }),
  "pubsub.redis": () => ({ redisHost: (redis as RedisServer).address }),
} as const;

const types = Object.keys(brokers) as (keyof typeof brokers)[];
const usable = types.filter((type) => type !== "pubsub.redis" || !absentRedis());

if (usable.length < types.length) test.skip(`pubsub.redis: ${absentRedis()}`, () => {});

describe.each(usable)("@dapr/dapr, DaprServer and DaprClient on a sidecar with %s", (type) => {
  const told: Told[] = [];
  const from = (from: string) => async (data: unknown, headers?: unknown) => {
    told.push({ from, data, headers });
  };
  const dataOf = (place: string) =>
    told.filter(({ from }) => from === place).map(({ data }) => data);
  let server: DaprServer;
  let sidecar: RunningSidecar;

  beforeAll(async () => {
    ({ server, sidecar } = await start(
      componentYaml("bus", type, brokers[type]()),
      async ({ pubsub }) => {
        await pubsub.subscribe("bus", "plain", from("plain"));
        await pubsub.subscribe("bus", "raw", from("raw"), "raw-route", { rawPayload: true });
        await pubsub.subscribeBulk("bus", "bulk", from("bulk"), {
          maxMessagesCount: 5,
          maxAwaitDurationMs: 50,
        });
        await pubsub.subscribeWithOptions("bus", "bad", {
          deadLetterTopic: "buried",
          callback: async (data: { good?: boolean }) => {
            told.push({ from: "bad", data });
            return data.good ? DaprPubSubStatusEnum.SUCCESS : DaprPubSubStatusEnum.DROP;
          },
        });
        await pubsub.subscribe("bus", "buried", from("buried"));
        await pubsub.subscribeWithOptions("bus", "routed", {
          route: {
            rules: [{ match: 'event.data.kind == "large"', path: "/large" }],
            default: "/small",
          },
        });
        for (const path of ["/large", "/small"]) {
          pubsub.subscribeToRoute("bus", "routed", path, from(path));
        }
      },
    ));
  });
  afterAll(async () => {
    await server?.stop();
    await sidecar?.stop();
  });

  test("an object, a text and bytes arrive", async () => {
    const { pubsub } = server.client;
    const values = [{ n: 1, text: "grün" }, "text", Buffer.from("bytes")];
    for (const value of values) expect(await pubsub.publish("bus", "plain", value)).toEqual({});
    // The SDK reads bytes as the text that they are.
    const all = [{ n: 1, text: "grün" }, "text", "bytes"];
    await expect.poll(() => dataOf("plain"), wait).toEqual(expect.arrayContaining(all));
    expect(dataOf("plain")).toHaveLength(3);
  });

  test("a raw payload arrives", async () => {
    const options = { metadata: { rawPayload: "true" } };
    await server.client.pubsub.publish("bus", "raw", { n: 2 }, options);
    await expect.poll(() => dataOf("raw"), wait).toEqual([{ n: 2 }]);
  });

  test("what is published in bulk arrives in bulk", async () => {
    const { failedMessages } = await server.client.pubsub.publishBulk("bus", "bulk", [
      ...[1, 2, 3].map((n) => ({ n })),
      { entryID: "own", event: { n: 4 }, contentType: "application/json" },
    ]);
    expect(failedMessages).toEqual([]);
    const all = [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }];
    await expect.poll(() => dataOf("bulk"), wait).toEqual(expect.arrayContaining(all));
    expect(dataOf("bulk")).toHaveLength(4);
  });

  test("what the handler drops lands in the dead letter, and the rest does not", async () => {
    const { pubsub } = server.client;
    await pubsub.publish("bus", "bad", { good: true });
    await pubsub.publish("bus", "bad", { good: false });
    await expect.poll(() => dataOf("buried"), wait).toEqual([{ good: false }]);
    expect(dataOf("bad")).toHaveLength(2);
  });

  test("a rule chooses the route", async () => {
    const { pubsub } = server.client;
    await pubsub.publish("bus", "routed", { kind: "large" });
    await pubsub.publish("bus", "routed", { kind: "small" });
    await expect.poll(() => dataOf("/large"), wait).toEqual([{ kind: "large" }]);
    await expect.poll(() => dataOf("/small"), wait).toEqual([{ kind: "small" }]);
  });

  test("an unknown pubsub is an error", async () => {
    const { error } = await server.client.pubsub.publish("nowhere", "t", {});
    expect(String(error)).toContain("ERR_PUBSUB_NOT_FOUND");
  });
});
