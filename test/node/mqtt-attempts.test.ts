import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient, type Packet } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/mqtt.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { newFolder } from "../harness/folder.ts";
import { absentMosquitto, type Mosquitto, startMosquitto } from "../harness/mosquitto.ts";
import { call, failure, opened, text } from "./_broker.ts";

const absent = absentMosquitto();
type Options = Partial<Parameters<typeof pubsub>[0]>;
const done: Outcome = { is: "done" };
const soon: Outcome = { is: "retry", delay: 10 };
const mark = "pillion:attempts:";
const late: Outcome = { is: "retry", delay: 60_000 };

/** What a test that failed left shut. */
const gates: ((outcome: Outcome) => void)[] = [];

function gated() {
  let release: (outcome: Outcome) => void = () => {};
  const gate = new Promise<Outcome>((resolve) => {
    release = resolve;
  });
  gates.push(release);
  return { gate, release };
}

describe.skipIf(absent)(`MQTT counts deliveries${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: Mosquitto;
  let publisher: PubSub;
  const brokers: PubSub[] = [];
  const broker = (options: Options) => {
    const made = opened(pubsub({ url: server.url, ...options }));
    brokers.push(made);
    return made;
  };
  const clientOf = (one: PubSub) => one.native(call) as MqttClient;
  /** What came, as data and attempt. */
  const counting = async (
    one: PubSub,
    topic: string,
    answer: (message: IncomingMessage) => Outcome | Promise<Outcome> = () => done,
    concurrency?: number,
    maxRetries = 5,
  ) => {
    const seen: string[] = [];
    const deliver = async (message: IncomingMessage) => {
      seen.push(`${text(message)} ${message.attempt}`);
      return answer(message);
    };
    const request = { topic, metadata: {}, concurrency, maxRetries, deliver };
    const subscription = await one.subscribe?.(request, call);
    return { seen, stop: async () => subscription?.stop() };
  };
  const publish = async (topic: string, ...all: readonly string[]) => {
    for (const data of all) await publisher.publish(topic, { data, metadata: {} }, call);
  };
  const raw = async (options: mqtt.IClientOptions = {}, url = server.url) => {
    const client = mqtt.connect(url, options);
    await vi.waitFor(() => expect(client.connected).toBe(true), 10_000);
    return client;
  };
  /** A client past pillion is sent a message, and goes without a word. */
  const takeAndGo = async (clientId: string, topic: string, data: string) => {
    const client = mqtt.connect(server.url, { clientId, clean: false });
    const came = new Promise<void>((resolve) => {
      client.on("packetreceive", (packet) => {
        if (packet.cmd !== "publish") return;
        if (`${packet.payload}` === data) resolve();
        // Nor does the driver acknowledge it then.
        packet.qos = 0;
      });
    });
    await client.subscribeAsync(topic, { qos: 1 });
    await publish(topic, data);
    await came;
    client.end(true);
  };
  /** As when the process ends: the broker is told nothing more. */
  const crash = (one: PubSub) => clientOf(one).end(true);

  beforeAll(async () => {
    server = await startMosquitto();
    publisher = opened(pubsub({ url: server.url, consumerID: "publisher", qos: 2 }));
  });
  afterEach(async () => {
    for (const release of gates.splice(0)) release(done);
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
  });
  afterAll(async () => {
    await publisher?.close?.();
    await server?.stop();
  });

  test("a stop costs nothing that no handler was given, and what was begun stays counted", async () => {
    const options = { consumerID: "stopped" };
    const { gate, release } = gated();
    const answer = (message: IncomingMessage) => {
      if (text(message) === "held") return gate;
      return message.attempt < 3 ? soon : late;
    };
    const first = await counting(broker(options), "stopped", answer, 1);
    await publish("stopped", "failed");
    await vi.waitFor(() => expect(first.seen).toContain("failed 3"), 10_000);
    await publish("stopped", "held", "same", "same");
    await vi.waitFor(() => expect(first.seen).toContain("held 1"), 10_000);
    const stopped = first.stop();
    release(done);
    await stopped;
    // As what was under way when it left.
    await takeAndGo("stopped", "stopped", "unread");
    const second = await counting(broker(options), "stopped");
    await vi.waitFor(() => expect(second.seen).toHaveLength(4), 10_000);
    expect(second.seen.toSorted()).toEqual(["failed 4", "same 1", "same 1", "unread 1"]);
  });

  test.each([
    [4, 1],
    [4, 2],
    [5, 1],
  ])(
    "by version %i and qos %i: what a process had in hand when it ended is counted, also after one that took its leave",
    async (protocolVersion, qos) => {
      const topic = `ended${protocolVersion}${qos}`;
      const options = { consumerID: topic, protocolVersion, qos };
      const first = await counting(broker(options), topic);
      await first.stop();
      await publish(topic, "x", "x");
      const { gate, release } = gated();
      const begin = async () => {
        const one = broker(options);
        const { seen } = await counting(one, topic, () => gate, 1);
        await vi.waitFor(() => expect(seen).toHaveLength(1), 10_000);
        await crash(one);
        return seen;
      };
      expect(await begin()).toEqual(["x 1"]);
      expect(await begin()).toEqual(["x 2"]);
      expect(await begin()).toEqual(["x 3"]);
      release(done);
      const { seen } = await counting(broker(options), topic);
      // The one behind it may have been begun once, for all that is known of the first process.
      await vi.waitFor(() => expect(seen.toSorted()).toEqual(["x 2", "x 4"]), 10_000);
    },
  );

  test("more that a dead process had than may wait are counted one by one and handled", async () => {
    const wide = await startMosquitto(["max_inflight_messages 0"]);
    const options = { url: wide.url, consumerID: "many" };
    const dying = broker(options);
    const { gate, release } = gated();
    const first = await counting(dying, "many", () => gate);
    const client = await raw({}, wide.url);
    const numbers = Array.from({ length: 1500 }, (_, number) => `${number}`);
    await Promise.all(numbers.map((data) => client.publishAsync("many", data, { qos: 1 })));
    await vi.waitFor(() => expect(first.seen).toHaveLength(20), 10_000);
    await crash(dying);
    release(done);
    const second = await counting(broker(options), "many");
    await vi.waitFor(() => expect(second.seen).toHaveLength(1500), 20_000);
    expect(second.seen.toSorted()).toEqual(numbers.map((data) => `${data} 2`).toSorted());
    await client.endAsync();
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
    await wide.stop();
  });

  test("a retry waits for no handler of another subscription, however much waits", async () => {
    const wide = await startMosquitto(["max_inflight_messages 0"]);
    const one = broker({ url: wide.url, consumerID: "two" });
    const { gate, release } = gated();
    const slow = await counting(one, "slow", () => gate, 1);
    const full = gated();
    const answers = [full.gate, soon, done];
    const quick = await counting(one, "quick", ({ attempt }) => answers[attempt - 1] ?? late);
    let came = 0;
    clientOf(one).on("packetreceive", ({ cmd }: Packet) => {
      if (cmd === "publish") came++;
    });
    const client = await raw({}, wide.url);
    const numbers = Array.from({ length: 1500 }, (_, number) => `${number}`);
    await client.publishAsync("quick", "x", { qos: 1 });
    await Promise.all(numbers.map((data) => client.publishAsync("slow", data, { qos: 1 })));
    await vi.waitFor(() => expect(came).toBeGreaterThan(1001), 10_000);
    full.release(soon);
    await vi.waitFor(() => expect(quick.seen).toEqual(["x 1", "x 2", "x 3"]), 5000);
    expect(slow.seen).toHaveLength(1);
    release(done);
    await vi.waitFor(() => expect(slow.seen).toHaveLength(1500), 10_000);
    await client.endAsync();
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
    await wide.stop();
  });

  test("a further delivery begins once the broker has it on record", async () => {
    const one = broker({ consumerID: "before" });
    let recorded = 0;
    const known: number[] = [];
    const { seen } = await counting(one, "before", ({ attempt }) => {
      known.push(recorded);
      return attempt < 3 ? soon : done;
    });
    clientOf(one).on("packetreceive", ({ cmd }) => {
      if (cmd === "puback") recorded++;
    });
    await publish("before", "x");
    await vi.waitFor(() => expect(seen).toEqual(["x 1", "x 2", "x 3"]), 10_000);
    expect(known).toEqual([0, 1, 2]);
  });

  test("a message that ends every process has none beside it at its last delivery", async () => {
    const options = { consumerID: "suspect" };
    const { gate, release } = gated();
    const seen: string[] = [];
    const live = async () => {
      const one = broker(options);
      let dead = false;
      const here = await counting(
        one,
        "suspect",
        (message) => {
          dead ||= text(message) === "poison" && message.attempt <= 3;
          return dead ? gate : done;
        },
        undefined,
        1,
      );
      return { here: here.seen, end: () => crash(one) };
    };
    await (await counting(broker(options), "suspect")).stop();
    const innocents = Array.from({ length: 30 }, (_, number) => `${number}`);
    await publish("suspect", "poison", ...innocents);
    for (const begun of [20, 1, 1]) {
      const { here, end } = await live();
      await vi.waitFor(() => expect(here).toHaveLength(begun), 5000);
      await end();
      seen.push(...here);
    }
    const { here } = await live();
    await vi.waitFor(() => expect(here).toHaveLength(31), 5000);
    release(done);
    const once = innocents.slice(0, 19).map((data) => `${data} 2`);
    const never = innocents.slice(19).map((data) => `${data} 1`);
    expect(here).toEqual(["poison 4", ...once, ...never]);
    expect(seen.slice(20)).toEqual(["poison 2", "poison 3"]);
  });

  test("what a dead process had begins beside others while it has deliveries left", async () => {
    const options = { consumerID: "left" };
    const { gate, release } = gated();
    const dying = broker(options);
    const begun = await counting(dying, "left", () => gate);
    await publish("left", "x", "y");
    await vi.waitFor(() => expect(begun.seen).toHaveLength(2), 10_000);
    await crash(dying);
    const { seen } = await counting(broker(options), "left", () => gate);
    await vi.waitFor(() => expect(seen.toSorted()).toEqual(["x 2", "y 2"]), 10_000);
    release(done);
  });

  test("what a dead process had waits for what runs in other subscriptions, and those then for it", async () => {
    const options = { consumerID: "turns" };
    const dying = broker(options);
    const { gate, release } = gated();
    const begun = await counting(dying, "turns/suspect", () => gate);
    await publish("turns/suspect", "x");
    await vi.waitFor(() => expect(begun.seen).toEqual(["x 1"]), 10_000);
    await crash(dying);
    const next = broker(options);
    const other = gated();
    const last = gated();
    const seen = await counting(next, "turns/other", () => other.gate);
    await publish("turns/other", "running");
    await vi.waitFor(() => expect(seen.seen).toEqual(["running 1"]), 10_000);
    const again = new Promise((resolve) => {
      clientOf(next).on("packetreceive", (packet) => {
        if (packet.cmd === "publish" && `${packet.payload}` === "x") resolve(packet);
      });
    });
    const suspect = await counting(next, "turns/suspect", () => last.gate, undefined, 1);
    await publish("turns/suspect", "behind");
    await publish("turns/other", "beside");
    await again;
    await sleep(100);
    expect(suspect.seen).toEqual([]);
    other.release(done);
    await vi.waitFor(() => expect(suspect.seen).toEqual(["x 2"]), 10_000);
    await sleep(100);
    expect(seen.seen).toEqual(["running 1"]);
    last.release(done);
    release(done);
    await vi.waitFor(() => expect(seen.seen).toEqual(["running 1", "beside 1"]), 10_000);
    await vi.waitFor(() => expect(suspect.seen).toEqual(["x 2", "behind 1"]), 10_000);
  });

  test("with no retries what only waited is not counted, and what was begun is", async () => {
    const options = { consumerID: "once" };
    const { gate, release } = gated();
    const first = broker(options);
    const { seen } = await counting(first, "once", () => gate, 1, 0);
    await publish("once", "x", "y");
    await vi.waitFor(() => expect(seen).toEqual(["x 1"]), 10_000);
    await crash(first);
    release(done);
    const second = await counting(broker(options), "once", () => done, 1, 0);
    await vi.waitFor(() => expect(second.seen).toEqual(["x 2", "y 1"]), 10_000);
  });

  test("what comes again while it is in hand is counted once", async () => {
    const one = broker({ consumerID: "again" });
    const { gate, release } = gated();
    const answers = [soon, gate, soon, done];
    const { seen } = await counting(one, "again", ({ attempt }) => answers[attempt - 1] ?? late);
    await publish("again", "x");
    await vi.waitFor(() => expect(seen).toEqual(["x 1", "x 2"]), 10_000);
    const again = new Promise((resolve) => {
      clientOf(one).on("packetreceive", (packet) => {
        if (packet.cmd === "publish" && packet.dup) resolve(packet);
      });
    });
    clientOf(one).stream.destroy();
    await again;
    release(soon);
    await vi.waitFor(() => expect(seen).toContain("x 4"), 10_000);
    await crash(one);
    const second = await counting(broker({ consumerID: "again" }), "again");
    await publish("again", "last");
    await vi.waitFor(() => expect(second.seen).toEqual(["last 1"]), 10_000);
    expect(seen).toEqual(["x 1", "x 2", "x 3", "x 4"]);
  });

  test("the record forgets a message behind its acknowledgement", async () => {
    const one = broker({ consumerID: "order" });
    const { seen } = await counting(one, "order", ({ attempt }) => (attempt === 1 ? soon : done));
    const sent: string[] = [];
    clientOf(one).on("packetsend", (packet: Packet) => {
      if (packet.cmd === "puback") sent.push("acknowledged");
      if (packet.cmd === "publish") {
        sent.push(
          ...Object.values<number[]>(JSON.parse(`${packet.payload}`.slice(mark.length)).begun).map(
            String,
          ),
          ".",
        );
      }
    });
    await publish("order", "x");
    await vi.waitFor(() => expect(sent).toHaveLength(4), 10_000);
    expect(sent).toEqual([expect.stringMatching(/^2,/), ".", "acknowledged", "."]);
    expect(seen).toEqual(["x 1", "x 2"]);
  });

  test("what is handled at its first delivery is not on record", async () => {
    const one = broker({ consumerID: "first" });
    const { seen } = await counting(one, "first");
    const sent: string[] = [];
    clientOf(one).on("packetsend", ({ cmd }: Packet) => sent.push(cmd));
    await publish("first", "1", "2", "3");
    await vi.waitFor(() => expect(seen).toHaveLength(3), 10_000);
    await vi.waitFor(() => expect(sent).toEqual(["puback", "puback", "puback"]), 10_000);
  });

  test("a message that has the number of one on record is not taken for it", async () => {
    const options = { consumerID: "numbers" };
    const first = broker(options);
    const { seen } = await counting(first, "numbers", ({ attempt }) => (attempt < 4 ? soon : late));
    await publish("numbers", "old");
    await vi.waitFor(() => expect(seen).toContain("old 4"), 10_000);
    await crash(first);
    // Begins the session anew.
    await (await raw({ clientId: "numbers", clean: true })).endAsync();
    await takeAndGo("numbers", "numbers", "new");
    const second = await counting(broker(options), "numbers");
    await vi.waitFor(() => expect(second.seen).toEqual(["new 2"]), 10_000);
  });

  test("records are messages to nobody", async () => {
    const all = await counting(broker({ consumerID: "all" }), "#");
    const one = await counting(broker({ consumerID: "one" }), "n/one", () => soon);
    const watching = await raw();
    const records: string[] = [];
    watching.on("message", (topic) => records.push(topic));
    await watching.subscribeAsync("pillion/attempts/#");
    await publish("n/one", "x");
    await vi.waitFor(() => expect(one.seen).toContain("x 3"), 10_000);
    await publish("n/two", "last");
    await vi.waitFor(() => expect(all.seen).toEqual(["x 1", "last 1"]), 10_000);
    expect(records).toContain("pillion/attempts/one");
    await watching.endAsync();
  });

  test("what lies beside records is a message, and nobody's record is, wherever it lies", async () => {
    const one = broker({ consumerID: "inside", attemptsTopic: "inside" });
    const { seen } = await counting(one, "inside/#", ({ attempt }) => (attempt < 3 ? soon : done));
    const other = await counting(
      broker({ consumerID: "other", attemptsTopic: "inside/attempts" }),
      "other",
      ({ attempt }) => (attempt < 3 ? soon : done),
    );
    await publish("other", "y");
    await vi.waitFor(() => expect(other.seen).toHaveLength(3), 10_000);
    await publish("inside/orders", "x");
    await vi.waitFor(() => expect(seen).toEqual(["x 1", "x 2", "x 3"]), 10_000);
    const problem = await failure(counting(one, "inside/inside"));
    expect(problem).toMatch(/^config: .* topic inside\/inside .*set attemptsTopic/);
  });

  test.each([
    "null",
    "[]",
    "5",
    "{",
    '{"others":1000,"begun":{}}',
    '{"others":0,"begun":{"1":5}}',
    '{"others":0,"begun":{"1":[1.5,"x"]}}',
    '{"others":0,"begun":{"70000":[1,"x"]}}',
  ])("a record that holds %s is none", async (record) => {
    await takeAndGo("broken", "broken", "x");
    const writer = await raw();
    await writer.publishAsync("pillion/attempts/broken", mark + record, { qos: 1, retain: true });
    const { seen } = await counting(broker({ consumerID: "broken" }), "broken");
    await vi.waitFor(() => expect(seen).toEqual(["x 2"]), 10_000);
    await writer.endAsync();
  });

  test("a topic that is subscribed to after another keeps its count", async () => {
    const both = async (answer: (message: IncomingMessage) => Outcome) => {
      const one = broker({ consumerID: "both" });
      await counting(one, "first/of/both");
      // On the connection that the first one has brought to its end.
      const { seen } = await counting(one, "second/of/both", answer);
      return { one, seen };
    };
    const first = await both(({ attempt }) => (attempt < 4 ? soon : late));
    await publish("second/of/both", "x");
    await vi.waitFor(() => expect(first.seen).toContain("x 4"), 10_000);
    await crash(first.one);
    const second = await both(() => done);
    await vi.waitFor(() => expect(second.seen).toEqual(["x 5"]), 10_000);
  });

  test("a broker that retains nothing is said to be one, and a connection that is lost once is made anew", async () => {
    const flat = await startMosquitto(["retain_available false"]);
    const told = [4, 5].map((protocolVersion) =>
      failure(counting(broker({ url: flat.url, protocolVersion, consumerID: "flat" }), "flat")),
    );
    const one = broker({ consumerID: "cut" });
    await one.init?.(call);
    const client = clientOf(one);
    client.on("packetsend", cut);
    await counting(one, "cut");
    // By 3.1.1 the broker cannot say so, and hangs up.
    expect(await told[0]).toMatch(/^config: .* needs a retained message .*hangs up/);
    expect(await told[1]).toMatch(/^config: .* needs a broker that retains messages/);
    await flat.stop();

    function cut({ cmd }: Packet): void {
      if (cmd !== "publish") return;
      client.off("packetsend", cut).stream.destroy();
    }
  });

  test("a record that the broker refuses keeps no message from being handled", async () => {
    const one = broker({ consumerID: "refused" });
    const { seen } = await counting(one, "refused", ({ attempt }) => (attempt < 3 ? soon : done));
    clientOf(one).publishAsync = () => Promise.reject(new Error("refused"));
    await publish("refused", "x");
    await vi.waitFor(() => expect(seen).toEqual(["x 1", "x 2", "x 3"]), 10_000);
  });

  test("who may not write there is told so, and counts where he may", async () => {
    const file = join(newFolder("mosquitto"), "rules");
    writeFileSync(file, "topic readwrite shop/#\ntopic write deaf/#\n");
    const guarded = await startMosquitto([`acl_file ${file}`]);
    const { url } = guarded;
    const told = [4, 5].map((protocolVersion) =>
      failure(
        counting(broker({ url, protocolVersion, consumerID: `${protocolVersion}` }), "shop/a"),
      ),
    );
    const deaf = failure(
      counting(broker({ url, consumerID: "deaf", attemptsTopic: "deaf" }), "shop/a"),
    );
    for (const [index, version] of [4, 5].entries()) {
      const at = `maxRetries needs a retained message at pillion/attempts/${version} (`;
      expect(await told[index]).toContain(`config: component broker: ${at}`);
      expect(await told[index]).toContain("set attemptsTopic");
    }
    expect(await deaf).toMatch(/^config: .* at deaf\/deaf \(it did not come back\)/);
    const there = { url, consumerID: "a/b", attemptsTopic: "shop/attempts" };
    const begun = broker(there);
    const { seen } = await counting(begun, "shop/a", () => soon);
    const own = opened(pubsub({ url, consumerID: "own" }));
    await own.publish("shop/a", { data: "x", metadata: {} }, call);
    await vi.waitFor(() => expect(seen).toContain("x 3"), 10_000);
    await crash(begun);
    const second = await counting(broker(there), "shop/a");
    await vi.waitFor(() => expect(second.seen).toHaveLength(1), 10_000);
    const attempt = Number(second.seen[0]?.split(" ")[1]);
    expect(attempt).toBeGreaterThanOrEqual(3);
    await own.close?.();
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
    await guarded.stop();
  });
});
