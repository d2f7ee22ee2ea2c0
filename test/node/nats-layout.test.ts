import { AckPolicy } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/nats.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentNats, type NatsServer, startNats } from "../harness/nats.ts";
import { call, consume, failure, opened, text } from "./_broker.ts";

const absent = absentNats();
type Options = Omit<Parameters<typeof pubsub>[0], "natsURL">;

describe.skipIf(absent)(`pubsub.jetstream${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: NatsServer;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const made = opened(pubsub({ natsURL: server.url, ...options }));
    brokers.push(made);
    return made;
  };
  const info = (durable: string) => server.raw.manager.consumers.info("all", durable);

  beforeAll(async () => {
    server = await startNats();
    await server.raw.manager.streams.add({ name: "all", subjects: ["l.>"] });
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("publishes an event as daprd does: the body, and an id for the server", async () => {
    await using runtime = createRuntime({
      id: "shop",
      components: { pubsub: pubsub({ natsURL: server.url }) },
      host: processHost("node"),
    });
    const publisher = runtime.blocks.pubsub("pubsub");
    const once = { cloudEvent: { id: "e-1" }, metadata: { other: "x" } };
    await publisher.publish("l.out", { n: 1 }, once);
    await publisher.publish("l.out", { n: 1 }, once);
    await publisher.publish("l.out", "raw", { rawPayload: true });
    const { state } = await server.raw.manager.streams.info("all", { subjects_filter: "l.out" });
    // The server dropped the one with the same id.
    expect(state.subjects).toEqual({ "l.out": 2 });
    const first = await server.raw.manager.streams.getMessage("all", { seq: state.last_seq - 1 });
    expect(first?.header.keys()).toEqual(["Nats-Msg-Id"]);
    expect(first?.header.get("Nats-Msg-Id")).toBe("l.out e-1");
    expect(first?.json()).toMatchObject({ id: "e-1", topic: "l.out", data: { n: 1 } });
    const second = await server.raw.manager.streams.getMessage("all", { seq: state.last_seq });
    expect(second?.string()).toBe("raw");
  });

  test("an event that is published on to another topic of its stream is there too", async () => {
    const publisher = broker();
    const event = { id: "e-2", data: '{"specversion":"1.0","id":"e-2"}', metadata: {} };
    for (const topic of ["l.placed", "l.shipping", "l.shipping"]) {
      await publisher.publish(topic, event, call);
    }
    const subjects_filter = "l.*";
    const { state } = await server.raw.manager.streams.info("all", { subjects_filter });
    // Once for each topic: the second time to one of them is a repetition.
    expect(state.subjects).toMatchObject({ "l.placed": 1, "l.shipping": 1 });
  });

  test("delivers what daprd, and anybody else, published, and counts as the server does", async () => {
    const { manager } = server.raw;
    const sent = headers();
    sent.set("Nats-Msg-Id", "d-1");
    await manager.jetstream().publish("l.in", '{"specversion":"1.0"}', { headers: sent });
    await manager.jetstream().publish("l.in", Uint8Array.of(0xff, 0));
    const { seen } = await consume(broker(), "l.in", ({ attempt }) =>
      attempt === 1 ? { is: "retry", delay: 20 } : { is: "done" },
    );
    await vi.waitFor(() => expect(seen).toHaveLength(4));
    const [first, second] = seen;
    expect(first).toMatchObject({ topic: "l.in", attempt: 1, metadata: { Topic: "l.in" } });
    expect(text(first as (typeof seen)[0])).toBe('{"specversion":"1.0"}');
    expect(new Uint8Array(second?.data as Uint8Array)).toEqual(Uint8Array.of(0xff, 0));
    expect(seen.slice(2).map(({ id, attempt }) => ({ id, attempt }))).toEqual([
      { id: first?.id, attempt: 2 },
      { id: second?.id, attempt: 2 },
    ]);
  });

  test("daprd's push consumer on the same stream gets each message too", async () => {
    const { manager, connection } = server.raw;
    const pushed: string[] = [];
    const inbox = "inbox.of.daprd";
    connection.subscribe(inbox, {
      callback: (_error, message) => {
        pushed.push(message.string());
        message.respond("+ACK");
      },
    });
    await manager.consumers.add("all", {
      ack_policy: AckPolicy.Explicit,
      filter_subject: "l.both",
      deliver_subject: inbox,
    });
    const { seen } = await consume(broker(), "l.both");
    for (const data of ["1", "2"]) await broker().publish("l.both", { data, metadata: {} }, call);
    await vi.waitFor(() =>
      expect([pushed, seen.map(text)]).toEqual([
        ["1", "2"],
        ["1", "2"],
      ]),
    );
  });

  test("makes one durable consumer for each consumerID and topic, as the settings say", async () => {
    const every = { ackWait: "7s", maxDeliver: 9, maxAckPending: 5, memoryStorage: true };
    await consume(broker({ ...every, deliverPolicy: "new" }), "l.a_b.c");
    expect((await info("shop__l_2ea_5fb_2ec")).config).toMatchObject({
      durable_name: "shop__l_2ea_5fb_2ec",
      filter_subject: "l.a_b.c",
      ack_policy: "explicit",
      ack_wait: 7e9,
      max_deliver: 9,
      max_ack_pending: 5,
      mem_storage: true,
      deliver_policy: "new",
    });
    await consume(broker({ queueGroupName: "group", backOff: "1s,5s", maxDeliver: 3 }), "l.q");
    expect((await info("group__l_2eq")).config).toMatchObject({ backoff: [1e9, 5e9] });
    const start = { deliverPolicy: "time", startTime: 1_700_000_000, durableName: "mine" };
    await consume(broker(start), "l.t");
    expect((await info("mine")).config.opt_start_time).toBe("2023-11-14T22:13:20Z");
    // The next process of the same app asks for nothing new, and one with another setting changes it.
    await consume(broker(start), "l.t");
    await consume(broker({ durableName: "two" }), "l.two");
    await consume(broker({ durableName: "two", ackWait: "9s" }), "l.two");
    expect((await info("two")).config.ack_wait).toBe(9e9);
  });

  test("a sequence begins with its number", async () => {
    const sent = [];
    for (const data of ["1", "2"]) {
      sent.push(await server.raw.manager.jetstream().publish("l.seq", data));
    }
    const startSequence = sent[1]?.seq as number;
    const from = broker({ deliverPolicy: "sequence", startSequence });
    const { seen } = await consume(from, "l.seq");
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["2"]));
  });

  test("what nothing says when to repeat comes after backOff, ackWait or a second", async () => {
    const at: Record<string, number[]> = {};
    const cases: Record<string, Options> = {
      "l.wait.b": { backOff: "300ms,700ms", maxDeliver: 5 },
      "l.wait.w": { ackWait: "500ms" },
      "l.wait.s": {},
    };
    for (const [topic, options] of Object.entries(cases)) {
      const times: number[] = [];
      at[topic] = times;
      await consume(broker(options), topic, ({ attempt }) => {
        times.push(Date.now());
        return attempt < 3 ? { is: "retry" } : { is: "done" };
      });
      await broker().publish(topic, { data: "x", metadata: {} }, call);
    }
    await vi.waitFor(
      () => expect(Object.values(at).map((times) => times.length)).toEqual([3, 3, 3]),
      10_000,
    );
    const waits = Object.values(at).map(([a = 0, b = 0, c = 0]) => [b - a, c - b]);
    const least = [
      [290, 690],
      [490, 490],
      [990, 990],
    ];
    for (const [index, [first = 0, second = 0]] of waits.entries()) {
      expect(first).toBeGreaterThanOrEqual(least[index]?.[0] as number);
      expect(second).toBeGreaterThanOrEqual(least[index]?.[1] as number);
    }
  });

  test("a subject without a stream is a setting's fault, and the message says what to do", async () => {
    const fix = `config: component broker: no stream has the subject none.x: make one that has, such as \`nats stream add NAME --subjects "none.x"\``;
    const message = { data: "x", metadata: {} };
    expect(await failure(broker().publish("none.x", message, call))).toBe(fix);
    expect(await failure(consume(broker(), "none.x"))).toBe(fix);
    await server.raw.manager.streams.add({ name: "more", subjects: ["m.>"] });
    expect(await failure(consume(broker(), ">"))).toContain(
      "topic > is in the streams all, more: name one with streamName",
    );
  });

  test("a durable that serves somebody else is left alone", async () => {
    await consume(broker({ durableName: "once" }), "l.once");
    expect(await failure(consume(broker({ durableName: "once" }), "l.twice"))).toBe(
      "config: component broker: consumer once serves l.once and not topic l.twice: take another durableName, or none",
    );
    await server.raw.manager.consumers.add("all", {
      durable_name: "pushes",
      ack_policy: AckPolicy.Explicit,
      filter_subject: "l.p",
      deliver_subject: "somewhere",
    });
    expect(await failure(consume(broker({ durableName: "pushes" }), "l.p"))).toBe(
      "config: component broker: consumer pushes is one that pushes, as daprd makes them: take another durableName",
    );
  });

  test.each([
    ["l..x", "words with dots between them, none empty and none with a space"],
    ["l.x y", "words with dots between them, none empty and none with a space"],
    ["l.x\r\nPUB l.y 0\r\n", "words with dots between them, none empty and none with a space"],
    ["$JS.API.STREAM.DELETE.all", "no subject of the server's own, which begin with $"],
    ["l.*", "one subject: * and > are for subscriptions"],
  ])("cannot publish to %j", async (topic, rule) => {
    const found = await failure(broker().publish(topic, { data: "x", metadata: {} }, call));
    expect(found).toBe(`invalid: component broker: topic ${JSON.stringify(topic)} must be ${rule}`);
  });

  test.each<[Options & { natsURL?: string }, string]>([
    [{ jwt: "j" }, "jwt and seedKey belong together"],
    [{ tls_client_key: "k" }, "tls_client_cert and tls_client_key belong together"],
    [{ deliverPolicy: "soon" }, "must be one of all, last, new, sequence, time"],
    [{ startSequence: 3 }, "startSequence and deliverPolicy sequence belong together"],
    [{ deliverPolicy: "time" }, "startTime and deliverPolicy time belong together"],
    [{ ackPolicy: "none" }, "ackPolicy must be explicit"],
    [{ rateLimit: 3 }, "rateLimit is not built"],
    [{ concurrencyMode: "many" }, "must be single or parallel"],
    [{ maxDeliver: 0 }, "maxDeliver must be a whole number above 0"],
    [{ backOff: "soon" }, "backOff must be durations"],
    [{ domain: "d", apiPrefix: "p" }, "domain and apiPrefix name the same"],
    [{ natsURL: "http://secret@host" }, "natsURL must be nats://host:port"],
    [{ natsURL: "nats://u:%secret@h" }, "natsURL has a % that does not begin a character's code"],
  ])("refuses %j", (options, words) => {
    const open = () => opened(pubsub({ natsURL: "nats://127.0.0.1:4222", ...options }));
    expect(open).toThrow(words);
    expect(open).not.toThrow("secret");
  });
});
