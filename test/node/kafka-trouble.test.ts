import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/kafka.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";
import { call, consume, failure, hanging, opened, serving, text } from "./_broker.ts";

const absent = absentKafka();
type Options = Partial<Parameters<typeof pubsub>[0]>;
const done: Outcome = { is: "done" };

describe("Kafka's settings are refused by name:", () => {
  test.each([
    [{ authType: "oidc" }, "authType oidc is not built"],
    [{ authType: undefined }, "needs authType"],
    [{ authType: "password" }, "needs saslUsername and saslPassword"],
    [{ authType: "mtls" }, "needs clientCert and clientKey"],
    [{ brokers: " , " }, "brokers names none"],
    [{ initialOffset: "latest" }, "initialOffset must be newest or oldest"],
    [{ compression: "snappy" }, "compression snappy is not built"],
    [{ consumerGroupRebalanceStrategy: "sticky" }, "Strategy sticky is not built"],
    [{ consumeRetryEnabled: false }, "would lose messages"],
    [{ backOffMaxRetries: 3 }, "would lose messages"],
    [{ schemaRegistryURL: "http://r" }, "schemaRegistryURL: Avro"],
    [{ oidcClientSecret: "secret" }, "oidcClientSecret: OIDC"],
    [{ processingTimeout: 0 }, "processingTimeout must be above 0"],
    [{ heartbeatInterval: "20s" }, "heartbeatInterval must be less"],
    [{ excludeHeaderMetaRegex: "(" }, "excludeHeaderMetaRegex is no expression"],
  ])("%j", (options, problem) => {
    const made = pubsub({ brokers: "127.0.0.1:1", authType: "none", ...options });
    expect(() => opened(made)).toThrow(problem);
  });
});

describe.skipIf(absent)(`Kafka${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: KafkaServer;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(
      pubsub({ brokers: server.brokers, authType: "none", heartbeatInterval: "500ms", ...options }),
    );
    brokers.push(made);
    return made;
  };
  const message = (data: string, orderingKey?: string) => ({ data, metadata: {}, orderingKey });

  beforeAll(async () => {
    server = await startKafka(["group.min.session.timeout.ms=500"]);
  }, 120_000);
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("what is published right after subscribe is there for a process that comes after a crash", async () => {
    await server.create("first", 2);
    const publisher = broker();
    const old = { data: "old", metadata: { partitionNumber: "1" } };
    await publisher.publish("first", old, call);
    // It handles nothing: its position alone is committed.
    let release = () => {};
    const held = new Promise<Outcome>((resolve) => {
      release = () => resolve(done);
    });
    await consume(broker({ consumerGroup: "g1" }), "first", () => held);
    expect(await server.committed("g1", "first")).toEqual([0, 1]);
    const oldest = broker({ consumerGroup: "g2", initialOffset: "oldest" });
    await publisher.publish("first", { data: "x", metadata: { partitionNumber: "0" } }, call);
    const { seen } = await consume(oldest, "first");
    await vi.waitFor(() => expect(seen.map(text).sort()).toEqual(["old", "x"]), 10_000);
    expect(await server.committed("g1", "first")).toEqual([0, 1]);
    release();
  });

  test("a handler that never ends is given up, and its message comes again in the order of its key", async () => {
    await server.create("stuck", 1);
    const { seen, subscription } = hanging(
      "stuck",
      (data, attempt) => data === "stuck" && attempt < 3,
      { maxRetries: 5, retryDelayMs: 10 },
    );
    const options = { processingTimeout: "300ms", brokers: server.brokers, authType: "none" };
    await using runtime = await serving(pubsub(options), subscription);
    for (const data of ["stuck", "after"])
      await runtime.blocks.pubsub("pubsub").publish("stuck", data, { orderingKey: "k" });
    const order = ["stuck 1", "stuck 2", "stuck 3", "after 1"];
    await vi.waitFor(() => expect(seen).toEqual(order), 10_000);
    await vi.waitFor(
      async () => expect(await server.committed("shop", "stuck")).toEqual([2]),
      5000,
    );
  });

  test("what is to come again is not committed past, stops no other, and keeps its key's order", async () => {
    await server.create("held", 1);
    let fail = true;
    const { seen } = await consume(broker({ consumerGroup: "g3" }), "held", (one) =>
      text(one) === "a1" && fail ? { is: "retry", delay: 100 } : done,
    );
    const publisher = broker();
    for (const [data, key] of [["a1", "a"], ["a2", "a"], ["b1", "b"], ["c"]] as const) {
      await publisher.publish("held", message(data, key), call);
    }
    const handled = () => seen.map(text).filter((data) => data !== "a1");
    await vi.waitFor(() => expect(handled()).toEqual(["b1", "c"]), 10_000);
    await vi.waitFor(() => expect(seen.at(-1)?.attempt).toBeGreaterThan(3), 10_000);
    expect(await server.committed("g3", "held")).toEqual([0]);
    fail = false;
    await vi.waitFor(() => expect(handled()).toEqual(["b1", "c", "a2"]), 10_000);
    await vi.waitFor(async () => expect(await server.committed("g3", "held")).toEqual([4]), 10_000);
  });

  test("stop commits what is handled and nothing else, and the next one gets the rest", async () => {
    await server.create("stopped", 1);
    const options = { consumerGroup: "g4" };
    const first = await consume(broker(options), "stopped", (one) =>
      text(one) === "2" ? { is: "retry", delay: 60_000 } : done,
    );
    const publisher = broker();
    for (const data of ["1", "2", "3"]) await publisher.publish("stopped", message(data), call);
    await vi.waitFor(() => expect(first.seen).toHaveLength(3), 10_000);
    await first.stop();
    await first.stop();
    expect(await server.committed("g4", "stopped")).toEqual([1]);
    const { seen } = await consume(broker(options), "stopped");
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["2", "3"]), 10_000);
  });

  test("a handler whose partition goes to another is told, and what it comes to is not committed", async () => {
    await server.create("moved", 2);
    const lost: string[] = [];
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const deliver = async (
      one: { metadata: Readonly<Record<string, string>> },
      signal?: AbortSignal,
    ) => {
      signal?.addEventListener("abort", () => lost.push(one.metadata.__partition ?? ""));
      await gate;
      return done;
    };
    const first = broker({ consumerGroup: "g5" });
    await first.subscribe?.({ topic: "moved", metadata: {}, deliver }, call);
    const publisher = broker();
    for (const partitionNumber of ["0", "1"]) {
      await publisher.publish("moved", { data: "x", metadata: { partitionNumber } }, call);
    }
    const second = await consume(broker({ consumerGroup: "g5" }), "moved", () => ({ is: "retry" }));
    await vi.waitFor(() => expect(lost).toHaveLength(1), 20_000);
    release();
    await vi.waitFor(() => expect(second.seen).toHaveLength(1), 20_000);
    expect(second.seen[0]?.metadata.__partition).toBe(lost[0]);
    const other = lost[0] === "0" ? 1 : 0;
    await vi.waitFor(async () => {
      expect((await server.committed("g5", "moved"))[other]).toBe(1);
    }, 10_000);
    expect((await server.committed("g5", "moved"))[1 - other]).toBe(0);
  });

  test("goes on by itself after the broker was away, and a publish meanwhile fails in time", async () => {
    await server.create("away", 1);
    const publisher = broker();
    const seen: string[] = [];
    const deliver = async (one: IncomingMessage): Promise<Outcome> => {
      seen.push(`${text(one)} ${one.attempt}`);
      return one.attempt === 1 && text(one) === "before" ? { is: "retry", delay: 200 } : done;
    };
    const request = { topic: "away", metadata: {}, maxRetries: 3, deliver };
    await broker({ consumerGroup: "g6" }).subscribe?.(request, call);
    await publisher.publish("away", message("before"), call);
    await vi.waitFor(() => expect(seen).toEqual(["before 1"]), 10_000);
    await server.crash();
    const soon = { ...call, deadline: Date.now() + 300 };
    expect(await failure(publisher.publish("away", message("lost"), soon))).toMatch(
      /^unavailable: component broker: /,
    );
    const gone = new AbortController();
    const given = publisher.publish("away", message("lost"), { ...call, signal: gone.signal });
    gone.abort(new Error("gone"));
    expect(await failure(given)).toBe("Error: gone");
    expect(await failure(publisher.publish("away", message("lost"), call))).toMatch(
      /^unavailable: /,
    );
    expect(await failure(broker().init?.(call) as Promise<void>)).toMatch(/^unavailable: /);
    expect(await failure(consume(broker(), "away"))).toMatch(/^unavailable: /);
    await server.start();
    await vi.waitFor(() => publisher.publish("away", message("after"), call), 20_000);
    await vi.waitFor(() => expect(seen).toContain("after 1"), 30_000);
    // Where it cannot be written that a delivery begins, it does not.
    expect(seen.filter((one) => one.startsWith("before"))).toEqual(["before 1", "before 2"]);
  }, 120_000);
});
