import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/mqtt.ts";
import type { Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { eventOf, startConsumer } from "../harness/consumers.ts";
import { newFolder } from "../harness/folder.ts";
import { absentMosquitto, type Mosquitto, startMosquitto } from "../harness/mosquitto.ts";
import { makeCertificates } from "../harness/redis.ts";
import { call, consume, failure, hanging, opened, serving, text } from "./_broker.ts";

const absent = absentMosquitto();
type Options = Partial<Parameters<typeof pubsub>[0]>;
const done: Outcome = { is: "done" };
const message = (data: string) => ({ data, metadata: {} });

describe("MQTT's settings are refused by name:", () => {
  test.each([
    [{ url: "localhost" }, "url is none"],
    [{ url: "amqp://u:secret@h" }, "url must begin with one of mqtt, tcp"],
    [{ url: "mqtt://u:%secret@h" }, "url has a % that does not begin a character's code"],
    [{ qos: 3 }, "qos must be 0, 1 or 2"],
    [{ processingTimeout: 0 }, "processingTimeout must be above 0"],
    [{ protocolVersion: 3 }, "protocolVersion must be 4"],
    [{ caCert: "pem" }, "need a url of mqtts or wss"],
    [{ url: "mqtts://h", clientCert: "pem" }, "belong together"],
    [{ shareGroup: "a/b" }, "shareGroup must have none of / + #"],
  ])("%j", (options, problem) => {
    const open = () => opened(pubsub({ url: "mqtt://127.0.0.1:1", ...options }));
    expect(open).toThrow(problem);
    expect(open).not.toThrow("secret");
  });
});

describe.skipIf(absent)(`MQTT${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: Mosquitto;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(pubsub({ url: server.url, ...options }));
    brokers.push(made);
    return made;
  };
  beforeAll(async () => {
    server = await startMosquitto();
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("handlers that never end are given up, and let the next messages come", async () => {
    const { seen, subscription } = hanging(
      "stuck",
      (data, attempt) => attempt === 1 && data !== "last",
      { concurrency: 2, maxRetries: 5, retryDelayMs: 10 },
    );
    const options = { processingTimeout: "300ms", url: server.url, consumerID: "stuck" };
    await using runtime = await serving(pubsub(options), subscription);
    for (const data of ["1", "2", "3", "last"])
      await runtime.blocks.pubsub("pubsub").publish("stuck", data);
    const handled = ["1 1", "1 2", "2 1", "2 2", "3 1", "3 2", "last 1"];
    await vi.waitFor(() => expect(seen.toSorted()).toEqual(handled), 10_000);
  });

  test.each([4, 5])(
    "by version %i: what a killed process had in hand comes to the next with its client id",
    async (protocolVersion) => {
      const topic = `t/kill${protocolVersion}`;
      const options = { url: server.url, consumerID: topic, protocolVersion };
      const what = { type: "pubsub.mqtt3", options, topic, concurrency: 5, ms: 20 };
      const publisher = broker({ consumerID: "publisher" });
      const all = [await startConsumer(what)];
      const numbers = () => new Set(all.flatMap((one) => [...one.done.keys()]));
      const publishing = Promise.all(
        Array.from({ length: 1000 }, (_, number) => {
          return publisher.publish(topic, message(JSON.stringify(eventOf(number))), call);
        }),
      );
      for (const count of [100, 300, 500]) {
        await vi.waitFor(() => expect(numbers().size).toBeGreaterThan(count), 20_000);
        const victim = all.at(-1) as (typeof all)[number];
        await vi.waitFor(() => expect(victim.inHand.size).toBeGreaterThan(0), 20_000);
        await victim.kill();
        all.push(await startConsumer(what));
      }
      await publishing;
      await vi.waitFor(() => expect(numbers().size).toBe(1000), 30_000);
      await all.at(-1)?.stop();
      const ends = all.flatMap((one) => [...one.done.values()]);
      const duplicates = ends.reduce((sum, often) => sum + often, 0) - 1000;
      // What had ended and not been acknowledged when a process was killed: the acknowledgement follows at once.
      expect(duplicates).toBeLessThan(60);
    },
    120_000,
  );

  test("100,000 messages wait for a slow handler, and not in the process", async () => {
    const options = { url: server.url, consumerID: "slow" };
    const what = { type: "pubsub.mqtt3", options, topic: "t/slow", concurrency: 4, ms: 50 };
    const consumer = await startConsumer(what);
    const client = mqtt.connect(server.url);
    const publish = (number: number) =>
      client.publishAsync("t/slow", JSON.stringify(eventOf(number)), { qos: 1 });
    for (let number = 0; number < 40; number++) await publish(number);
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(30), 20_000);
    const before = consumer.memory();
    for (let first = 40; first < 100_040; first += 1000) {
      await Promise.all(Array.from({ length: 1000 }, (_, index) => publish(first + index)));
    }
    const handled = consumer.done.size;
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(handled + 100), 20_000);
    expect(consumer.memory() - before).toBeLessThan(40_000_000);
    await client.endAsync();
    await consumer.kill();
  }, 120_000);

  test("what is to come again stops no other, and is acknowledged only once it is handled", async () => {
    const options = { consumerID: "held" };
    let fail = true;
    const first = broker(options);
    const { seen } = await consume(first, "t/held", (one) =>
      text(one).startsWith("bad") && fail ? { is: "retry", delay: 100 } : done,
    );
    const publisher = broker({ consumerID: "publisher" });
    // Of the twenty that mosquitto hands out before one is acknowledged.
    for (let index = 0; index < 10; index++)
      await publisher.publish("t/held", message(`bad ${index}`), call);
    for (let index = 0; index < 100; index++)
      await publisher.publish("t/held", message(`${index}`), call);
    const good = () => seen.filter((one) => !text(one).startsWith("bad"));
    await vi.waitFor(() => expect(good()).toHaveLength(100), 10_000);
    await vi.waitFor(() => expect(seen.some(({ attempt }) => attempt > 3)).toBe(true), 10_000);
    const bad = seen.filter((one) => text(one) === "bad 0");
    expect(bad.length).toBeGreaterThan(1);
    expect(new Set(bad.map(({ id }) => id)).size).toBe(1);
    await first.close?.();
    fail = false;
    const second = await consume(broker(options), "t/held");
    await vi.waitFor(() => expect(second.seen).toHaveLength(10), 10_000);
    expect(second.seen.every((one) => text(one).startsWith("bad"))).toBe(true);
  });

  test("a message in hand is not delivered a second time on a new connection, and then acknowledged there", async () => {
    const options = { consumerID: "reconnected" };
    let release = () => {};
    const gate = new Promise<Outcome>((resolve) => {
      release = () => resolve(done);
    });
    const first = broker(options);
    const { seen } = await consume(first, "t/again", (one) => (text(one) === "held" ? gate : done));
    const publisher = broker({ consumerID: "publisher" });
    await publisher.publish("t/again", message("held"), call);
    await vi.waitFor(() => expect(seen).toHaveLength(1), 10_000);
    (first.native(call) as mqtt.MqttClient).stream.destroy();
    await publisher.publish("t/again", message("next"), call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["held", "next"]), 10_000);
    release();
    await first.close?.();
    const second = await consume(broker(options), "t/again");
    await publisher.publish("t/again", message("last"), call);
    await vi.waitFor(() => expect(second.seen.map(text)).toEqual(["last"]), 10_000);
  });

  test("what waited and what was to come again when it was stopped come to the next in the process", async () => {
    const one = broker({ consumerID: "waited" });
    let release = () => {};
    const gate = new Promise<Outcome>((resolve) => {
      release = () => resolve(done);
    });
    const answer = (first: string) => (first === "0" ? { is: "retry" as const } : gate);
    const first = await consume(one, "t/waited", (given) => answer(text(given)), {}, 1);
    const publisher = broker({ consumerID: "publisher" });
    for (const data of ["0", "1", "2", "3"]) {
      await publisher.publish("t/waited", message(data), call);
    }
    await vi.waitFor(() => expect(first.seen.map(text)).toEqual(["0", "1"]), 10_000);
    const stopped = first.stop();
    release();
    await stopped;
    const { seen } = await consume(one, "t/waited");
    await vi.waitFor(() => expect(seen.map(text).sort()).toEqual(["0", "2", "3"]), 10_000);
  });

  test("a topic that is stopped while others go on keeps what waits and what comes for it", async () => {
    const one = broker({ consumerID: "partly" });
    let release = () => {};
    const gate = new Promise<Outcome>((resolve) => {
      release = () => resolve(done);
    });
    const stopped = await consume(one, "t/part/a", () => gate, {}, 1);
    const other = await consume(one, "t/part/b");
    const publisher = broker({ consumerID: "publisher" });
    for (const data of ["in hand", "waiting"])
      await publisher.publish("t/part/a", message(data), call);
    await vi.waitFor(() => expect(stopped.seen).toHaveLength(1), 10_000);
    const stop = stopped.stop();
    release();
    await stop;
    await publisher.publish("t/part/a", message("away"), call);
    await publisher.publish("t/part/b", message("b"), call);
    await vi.waitFor(() => expect(other.seen.map(text)).toEqual(["b"]), 10_000);
    expect(stopped.seen.map(text)).toEqual(["in hand"]);
    const { seen } = await consume(one, "t/part/a");
    await vi.waitFor(() => expect(seen.map(text).toSorted()).toEqual(["away", "waiting"]), 10_000);
  });

  test("goes on by itself after the broker was away, and a publish meanwhile fails in time", async () => {
    const publisher = broker({ consumerID: "publisher" });
    const { seen } = await consume(broker({ consumerID: "away" }), "t/away");
    await publisher.publish("t/away", message("before"), call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["before"]), 10_000);
    await server.halt();
    const soon = { ...call, deadline: Date.now() + 300 };
    expect(await failure(publisher.publish("t/away", message("lost"), soon))).toMatch(
      /^unavailable: component broker: no connection to the broker/,
    );
    const gone = new AbortController();
    const given = publisher.publish("t/away", message("lost"), { ...call, signal: gone.signal });
    gone.abort(new Error("gone"));
    expect(await failure(given)).toBe("Error: gone");
    expect(await failure(broker().init?.(call) as Promise<void>)).toMatch(/^unavailable: /);
    expect(await failure(consume(broker(), "t/away"))).toMatch(/^unavailable: /);
    await server.start();
    await publisher.publish("t/away", message("after"), call);
    // Nothing that failed was sent later.
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["before", "after"]), 10_000);
  }, 60_000);

  test("a user who is refused is told which setting it is", async () => {
    const file = join(newFolder("mosquitto"), "passwords");
    writeFileSync(file, "");
    const guarded = await startMosquitto(["allow_anonymous false", `password_file ${file}`]);
    for (const protocolVersion of [4, 5]) {
      const url = guarded.url.replace("//", "//user:secret@");
      const found = await failure(broker({ url, protocolVersion }).init?.(call) as Promise<void>);
      expect(found).toMatch(/^config: component broker: .*password in url/);
      expect(found).not.toContain("secret");
    }
    await guarded.stop();
  });

  test("connects by TLS with a certificate of its own, and not to whom it does not know", async () => {
    const { ca, cert, key } = makeCertificates();
    const files = [`cafile ${ca}`, `certfile ${cert}`, `keyfile ${key}`];
    const guarded = await startMosquitto([...files, "require_certificate true"]);
    const url = guarded.url.replace("mqtt:", "mqtts:");
    const [caCert, clientCert, clientKey] = [ca, cert, key].map((file) =>
      readFileSync(file, "utf8"),
    );
    const trusted = { url, caCert, clientCert, clientKey };
    const { seen } = await consume(broker(trusted), "t/tls");
    await broker({ ...trusted, consumerID: "publisher" }).publish("t/tls", message("x"), call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["x"]), 10_000);
    const unknown = broker({ url, clientCert, clientKey }).init?.(call) as Promise<void>;
    expect(await failure(unknown)).toMatch(/^config: .*set caCert/);
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
    await guarded.stop();
  });

  test.each(["", "a/b+", "#/a", "$share/g/#/a"])("nobody subscribes to %j", async (topic) => {
    expect(await failure(consume(broker(), topic))).toMatch(/^config: .* is no filter: /);
  });
});
