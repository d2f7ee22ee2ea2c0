import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createFeed, type Feed, isSuspicious, pumpAll } from "../../bindings/node/_kafka-feed.ts";
import { createLedger, type Phase } from "../../bindings/node/_kafka-ledger.ts";
import { createLine } from "../../bindings/node/_kafka-line.ts";
import { pubsub } from "../../bindings/node/kafka.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";
import { call, opened, text } from "./_broker.ts";

const absent = absentKafka();
const done: Outcome = { is: "done" };
const soon: Outcome = { is: "retry", delay: 10 };
const late: Outcome = { is: "retry", delay: 60_000 };

describe("a partition whose deliveries are counted", () => {
  const { clock } = processHost("node");
  const mark = "00000000";
  const ledgerOf = (text: string) =>
    createLedger({ base: 0, text, end: 2, mark, concurrency: 1, maxRetries: 2 });
  /** With a record at every `step`th offset. */
  const lineOf = (count: number, step = 1) => {
    const begun: string[] = [];
    const ledger = ledgerOf("");
    const line = createLine({
      ...{ from: 0, limit: count, clock, ledger, delay: () => 0, changed: () => undefined },
      async deliver({ id, attempt }) {
        begun.push(`${id} ${attempt}`);
        return done;
      },
    });
    const records = Array.from({ length: count }, (_, index) => ({
      offset: index * step,
      key: undefined,
      message: (attempt: number) => {
        return { id: `${index}`, topic: "t", data: "", metadata: {}, attempt };
      },
    }));
    line.push(records, count * step);
    const commit = (phase: Phase = "open") => {
      const draft = line.draft(phase);
      if (!draft) throw new Error("nothing to commit");
      return draft;
    };
    return { line, begun, commit };
  };

  test("begins nothing by a commit that a later one took back", () => {
    const { line, begun, commit } = lineOf(1);
    line.start();
    const first = commit();
    const last = commit("leaving");
    line.accept(first);
    line.accept(last);
    expect(begun).toEqual([]);
    line.accept(commit());
    expect(begun).toEqual(["0 1"]);
  });

  test("begins nothing that may have been taken back", () => {
    const { line, begun, commit } = lineOf(2);
    line.accept(commit());
    line.start();
    expect(begun).toEqual(["0 1"]);
    commit("leaving");
    line.start();
    expect(begun).toEqual(["0 1"]);
    line.accept(commit());
    expect(begun).toEqual(["0 1", "1 1"]);
  });

  test("leaves nothing that is about to begin once nothing comes", async () => {
    const { line, commit } = lineOf(1);
    line.accept(commit());
    line.start();
    await vi.waitFor(() => expect(line.running).toBe(0));
    const busy = commit();
    expect(busy.text).toMatch(/:1\*/);
    line.accept(busy);
    expect([line.rest(), line.rest()]).toEqual([false, true]);
    const idle = commit();
    expect(idle.text).toBe("pillion:00000000:1:left:");
    line.accept(idle);
    expect(line.rest()).toBe(false);
  });

  test("goes on only where nobody else wrote meanwhile", () => {
    const { line } = lineOf(1);
    expect(line.continues(0, "")).toBe(false);
    expect(line.continues(0, "pillion:11111111:0:1")).toBe(false);
    expect(line.continues(0, "pillion:00000000:1:1")).toBe(false);
    expect(line.continues(0, "pillion:00000000:0:1")).toBe(true);
  });

  test("begins no more than a broker takes the counts of", () => {
    const { line, commit } = lineOf(1000, 40);
    let started = 0;
    while (line.start()) started++;
    expect(started).toBeGreaterThan(256);
    expect(commit().text?.length).toBeLessThan(4096);
  });

  test("suspects what a process had for the last time but one and did not leave, until it begins", () => {
    const left = ledgerOf("pillion:11111111:0:left:2*2");
    expect([left.begun(0), left.isSuspect(0)]).toEqual([2, false]);
    const spare = ledgerOf("pillion:11111111:0:1*2");
    expect([spare.begun(0), spare.isSuspect(0)]).toEqual([1, false]);
    const ledger = ledgerOf("pillion:11111111:0:2*2");
    const page = { from: 0, position: 2, asked: new Map(), phase: "leaving" } as const;
    expect(ledger.isSuspect(1)).toBe(true);
    ledger.begin(0, 3);
    expect(ledger.write(page)).toBe("pillion:00000000:0:3,2");
    ledger.begin(1, 3);
    expect(ledger.isSuspect(1)).toBe(false);
    expect(ledger.write(page)).toBe("pillion:00000000:0:left:3*2");
  });
});

describe("the partitions of a member", () => {
  const { clock } = processHost("node");
  const membership = () => {
    const feeds = new Map<string, Feed>();
    const begun: string[] = [];
    let ends: ((outcome: Outcome) => void)[] = [];
    const subscribe = (topic: string, maxRetries?: number) => {
      const deliver = ({ id, attempt }: IncomingMessage) => {
        begun.push(`${id} ${attempt}`);
        return new Promise<Outcome>((resolve) => ends.push(resolve));
      };
      const request = { topic, metadata: {}, concurrency: 10, maxRetries, deliver };
      const options = { limit: 100, clock, mark: "00000000", delay: () => 0, changed: () => {} };
      feeds.set(topic, createFeed(request, options));
    };
    const assign = (
      topic: string,
      partition: number,
      count: number,
      found: { text?: string; key?: string; committed?: number; end?: number } = {},
    ) => {
      const { text = "", key, committed = 0, end = count } = found;
      const position = { topic, partition, committed, text, from: 0, end };
      const records = Array.from({ length: count }, (_, offset) => {
        const message = (attempt: number): IncomingMessage => {
          return { id: `${topic}${partition}/${offset}`, topic, data: "", metadata: {}, attempt };
        };
        return { offset, key, message };
      });
      feeds.get(topic)?.assign(position).push(records, count);
    };
    /** What begins by one commit. */
    const commit = () => {
      pumpAll(feeds);
      const phase = isSuspicious(feeds) ? "alone" : "open";
      for (const { lines } of feeds.values()) {
        for (const line of lines.values()) {
          const draft = line.draft(phase);
          if (draft) line.accept(draft);
        }
      }
      pumpAll(feeds);
      return begun.splice(0).toSorted();
    };
    const end = async (outcome: Outcome = done) => {
      for (const resolve of ends) resolve(outcome);
      ends = [];
      await clock.sleep(0);
    };
    const stop = () => Promise.all([...feeds.values()].map((feed) => feed.stop()));
    return { subscribe, assign, commit, end, stop };
  };

  test("begin nothing beside what may have ended another process", async () => {
    const { subscribe, assign, commit, end } = membership();
    subscribe("counted", 2);
    subscribe("free");
    assign("counted", 0, 3, { text: "pillion:11111111:0:2*2,1*9", end: 2 });
    assign("counted", 1, 2);
    assign("free", 0, 1);
    expect(commit()).toEqual(["counted0/0 3"]);
    expect(commit()).toEqual([]);
    await end();
    expect(commit()).toEqual(["counted0/1 3"]);
    await end();
    expect(commit()).toEqual(["counted0/2 1", "counted1/0 1", "counted1/1 1", "free0/0 1"]);
  });

  test("do not wait for what waits for its key", async () => {
    const { subscribe, assign, commit, end, stop } = membership();
    subscribe("keyed", 1);
    assign("keyed", 0, 2, { text: "pillion:11111111:0:1*2", key: "k" });
    assign("keyed", 1, 2);
    expect(commit()).toEqual(["keyed0/0 2"]);
    await end(late);
    expect(commit()).toEqual(["keyed1/0 1", "keyed1/1 1"]);
    assign("keyed", 2, 1);
    expect(commit()).toEqual(["keyed2/0 1"]);
    await end();
    await stop();
  });

  test("begin what a partition has that was made anew, however far the group was in the old one", () => {
    const { subscribe, assign, commit } = membership();
    subscribe("anew", 5);
    assign("anew", 0, 1, { committed: 10 });
    expect(commit()).toEqual(["anew0/0 1"]);
  });

  test("begin one delivery by a commit where each message has only one", () => {
    const { subscribe, assign, commit } = membership();
    subscribe("once", 0);
    assign("once", 0, 2);
    assign("once", 1, 2);
    const begun = Array.from({ length: 5 }, commit);
    expect(begun).toEqual([["once0/0 1"], ["once1/0 1"], ["once0/1 1"], ["once1/1 1"], []]);
  });
});

describe.skipIf(absent)(`Kafka counts${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: KafkaServer;
  const brokers: PubSub[] = [];
  /** Ends what handlers still have in hand. */
  let release = () => {};
  let held = new Promise<Outcome>(() => undefined);
  const broker = (consumerGroup: string) => {
    const { brokers: addresses } = server;
    const options = { brokers: addresses, authType: "none", heartbeatInterval: "100ms" };
    const made = opened(pubsub({ ...options, consumerGroup, initialOffset: "oldest" }));
    brokers.push(made);
    return made;
  };
  /** Data and attempt of each delivery. */
  const consume = async (
    group: string,
    topic: string,
    answer: (data: string, attempt: number) => Outcome | Promise<Outcome>,
    concurrency?: number,
  ) => {
    const seen: string[] = [];
    const deliver = async (message: IncomingMessage) => {
      seen.push(`${text(message)} ${message.attempt}`);
      return answer(text(message), message.attempt);
    };
    const request = { topic, metadata: {}, concurrency, maxRetries: 5, deliver };
    const subscription = await broker(group).subscribe?.(request, call);
    return { seen, stop: async () => subscription?.stop() };
  };
  /** A topic with a message for each, of which the part before a colon is the key. */
  const published = async (topic: string, ...all: readonly string[]) => {
    await server.create(topic, 1);
    const publisher = broker("publisher");
    for (const data of all) {
      const orderingKey = data.includes(":") ? data.split(":")[0] : undefined;
      await publisher.publish(topic, { data, metadata: {}, orderingKey }, call);
    }
  };
  /** As a member that ended without a word. */
  const leaveBehind = async (groupId: string, topic: string, ...texts: readonly string[]) => {
    const consumer = server.raw.consumer({ groupId });
    await consumer.connect();
    await consumer.subscribe({ topic });
    const joined = new Promise((resolve) => consumer.on(consumer.events.FETCH_START, resolve));
    await consumer.run({ autoCommit: false, eachMessage: async () => undefined });
    await joined;
    await consumer.commitOffsets(
      texts.map((metadata, partition) => ({ topic, partition, offset: "0", metadata })),
    );
    await consumer.disconnect();
  };

  beforeAll(async () => {
    server = await startKafka();
  }, 120_000);
  beforeEach(() => {
    held = new Promise((resolve) => {
      release = () => resolve(done);
    });
  });
  afterEach(async () => {
    release();
    await Promise.all(brokers.splice(0).map((one) => one.close?.()));
  });
  afterAll(() => server?.stop());

  test("a delivery before it begins, and what did not begin when it is stopped not at all", async () => {
    await published("written", "k:1", "k:2", "x", "y");
    const beside: string[] = [];
    const first = await consume(
      "g1",
      "written",
      async (data, attempt) => {
        if (data === "x") return done;
        beside.push((await server.counted("g1", "written"))[0] ?? "");
        return data === "k:1" && attempt < 3 ? soon : late;
      },
      4,
    );
    await vi.waitFor(() => expect(beside).toHaveLength(4), 10_000);
    expect(first.seen.toSorted()).toEqual(["k:1 1", "k:1 2", "k:1 3", "x 1", "y 1"]);
    expect(beside.map((one) => one.slice(0, 2)).toSorted()).toEqual(["1*", "1*", "2,", "3,"]);
    await first.stop();
    expect(await server.counted("g1", "written")).toEqual(["3,0,-,1"]);
    const { seen } = await consume("g1", "written", () => done);
    await vi.waitFor(() => expect(seen).toEqual(["k:1 4", "k:2 1", "y 2"]), 10_000);
    await vi.waitFor(async () => expect(await server.committed("g1", "written")).toEqual([4]));
  });

  test("what a member that was killed may have begun once, and after that only what did begin", async () => {
    await published("killed", "a", "b", "c", "d", "e");
    await leaveBehind("g2", "killed", "pillion:00000000:0:5*2,1*2");
    const { seen } = await consume("g2", "killed", (data) => (data === "b" ? held : done), 4);
    await vi.waitFor(() => expect(seen).toEqual(["a 6", "b 6"]), 10_000);
    await vi.waitFor(async () => expect(await server.committed("g2", "killed")).toEqual([1]));
    expect(await server.counted("g2", "killed")).toEqual(["6,1*2"]);
  });

  test("nothing by what somebody else left there", async () => {
    const mark = "pillion:00000000:";
    const copied = `${mark}1000:-`;
    const texts = ["", "1*3", mark, `${mark}1`, `${mark}0:2*zzzzzz`, `${mark}0:2;1`, copied];
    await server.create("others", texts.length);
    const publisher = broker("publisher");
    for (const partition of texts.keys()) {
      const metadata = { partitionNumber: `${partition}` };
      await publisher.publish("others", { data: `${partition}`, metadata }, call);
    }
    await leaveBehind("g3", "others", ...texts);
    const { seen } = await consume("g3", "others", () => done);
    await vi.waitFor(() => expect(seen).toHaveLength(texts.length), 10_000);
    expect(seen.toSorted()).toEqual([...texts.keys()].map((partition) => `${partition} 1`));
  });

  test("what moves to another member as often as it began", async () => {
    await server.create("moved", 2);
    const first = await consume("g4", "moved", () => held);
    const publisher = broker("publisher");
    for (const partitionNumber of ["0", "1"]) {
      for (const data of ["a", "b", "c"]) {
        await publisher.publish("moved", { data, metadata: { partitionNumber } }, call);
      }
    }
    await vi.waitFor(() => expect(first.seen).toHaveLength(2), 10_000);
    const second = await consume("g4", "moved", () => done);
    await vi.waitFor(() => expect(second.seen).toHaveLength(3), 20_000);
    expect(second.seen.toSorted()).toEqual(["a 2", "b 1", "c 1"]);
    expect(first.seen).toEqual(["a 1", "a 1"]);
  });
});
