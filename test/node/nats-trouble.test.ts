import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/nats.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { IncomingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import { type Handler, type SubscribeOptions, subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { startConsumer } from "../harness/consumers.ts";
import { absentNats, type NatsServer, startNats } from "../harness/nats.ts";
import { makeCertificates } from "../harness/redis.ts";
import { call, consume, failure, opened, text } from "./_broker.ts";

const absent = absentNats();
type Options = Omit<Parameters<typeof pubsub>[0], "natsURL">;

describe.skipIf(absent)(`NATS${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: NatsServer;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}, natsURL = server.url) => {
    const made = opened(pubsub({ natsURL, ...options }));
    brokers.push(made);
    return made;
  };
  const pending = async (durable: string) =>
    (await server.raw.manager.consumers.info("all", durable)).num_ack_pending;
  const message = (data: string) => ({ data, metadata: {} });

  beforeAll(async () => {
    server = await startNats();
    await server.raw.manager.streams.add({ name: "all", subjects: ["t.>"] });
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("goes on by itself after the server was away, and a publish meanwhile fails in time", async () => {
    const publisher = broker();
    const { seen } = await consume(broker(), "t.away");
    await publisher.publish("t.away", message("before"), call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["before"]));
    await vi.waitFor(async () => expect(await pending("shop__t_2eaway")).toBe(0));
    await server.halt();
    const soon = { ...call, deadline: Date.now() + 300 };
    expect(await failure(publisher.publish("t.away", message("lost"), soon))).toMatch(
      /^unavailable: component broker: /,
    );
    const late = { ...call, deadline: Date.now() + 300 };
    expect(await failure(publisher.publish("t.away", message("lost"), late))).toMatch(
      /^unavailable: component broker: there is no connection to NATS \(natsURL\)/,
    );
    expect(await failure(broker().init?.(call) as Promise<void>)).toMatch(/^unavailable: /);
    expect(await failure(consume(broker(), "t.away"))).toMatch(/^unavailable: /);
    const gone = new AbortController();
    const given = publisher.publish("t.away", message("lost"), { ...call, signal: gone.signal });
    gone.abort(new Error("gone"));
    expect(await failure(given)).toBe("Error: gone");
    await server.start();
    await publisher.publish("t.away", message("after"), call);
    // Nothing that failed was sent later.
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["before", "after"]), 10_000);
  });

  test("a server that does not answer fails a publish when its time is over", async () => {
    const publisher = broker();
    await publisher.publish("t.frozen", message("1"), call);
    await server.freeze();
    const soon = { ...call, deadline: Date.now() + 300 };
    const found = await failure(publisher.publish("t.frozen", message("2"), soon));
    server.thaw();
    expect(found).toMatch(/^unavailable: .*whether it did what it was asked is not known$/);
    await publisher.publish("t.frozen", message("3"), call);
  });

  test("a consumer that somebody deletes is made again", async () => {
    const { seen } = await consume(broker({ heartbeat: "500ms" }), "t.deleted");
    await server.raw.manager.consumers.delete("all", "shop__t_2edeleted");
    await server.raw.manager.jetstream().publish("t.deleted", "x");
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["x"]), 10_000);
  });

  test("what a process was asked for and does not handle comes to another once its time is over", async () => {
    const stuck = await consume(broker({ ackWait: "1s" }), "t.stuck", () => new Promise(() => {}));
    await broker().publish("t.stuck", message("x"), call);
    await vi.waitFor(() => expect(stuck.seen).toHaveLength(1));
    const { seen } = await consume(broker({ ackWait: "1s" }), "t.stuck");
    // Its process lives, and has the time of a handler and that of a dead letter.
    await vi.waitFor(() => expect(seen).toHaveLength(1), 20_000);
    expect(seen[0]?.attempt).toBe(2);
    // Its broker would wait for the handler for ever.
    brokers.splice(0, 1);
  }, 30_000);

  test("a handler that never ends has its tries, one after the other, and one dead letter", async () => {
    await using runtime = createRuntime({
      id: "endless",
      components: {
        pubsub: pubsub({ natsURL: server.url, ackWait: "1s", concurrencyMode: "parallel" }),
      },
      host: processHost("node"),
    });
    const tries: number[] = [];
    let [running, most, letters] = [0, 0, 0];
    const { stop } = await startSubscriptions(runtime, [
      subscribe(
        "pubsub",
        "t.endless",
        (_event, { call: { signal } }, { attempt }) => {
          tries.push(attempt);
          most = Math.max(most, ++running);
          signal?.addEventListener("abort", () => running--);
          return new Promise(() => undefined);
        },
        { maxRetries: 1, retryDelayMs: 50, deadLetterTopic: "t.letters" },
      ),
      subscribe("pubsub", "t.letters", () => void letters++),
    ]);
    await runtime.blocks.pubsub("pubsub").publish("t.endless", "x");
    await vi.waitFor(() => expect(letters).toBe(1), 10_000);
    // What the server delivered beside, or was not told, would come within this time.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect({ tries, most, letters }).toEqual({ tries: [1, 2], most: 1, letters: 1 });
    expect(await pending("endless__t_2eendless")).toBe(0);
    await stop();
  }, 20_000);

  test("a message is kept from others for as long as its dead letter takes", async () => {
    const slow = () =>
      new Promise<{ is: "done" }>((resolve) => setTimeout(resolve, 2500, { is: "done" }));
    const first = await consume(broker({ ackWait: "1s" }), "t.slow", slow);
    await broker().publish("t.slow", message("x"), call);
    await vi.waitFor(() => expect(first.seen).toHaveLength(1));
    const second = await consume(broker({ ackWait: "1s" }), "t.slow");
    await vi.waitFor(async () => expect(await pending("shop__t_2eslow")).toBe(0), 10_000);
    expect([first.seen.length, second.seen.length]).toEqual([1, 0]);
    for (const data of ["1", "2"]) await broker().publish("t.slow", message(data), call);
    await vi.waitFor(() => expect(second.seen).not.toEqual([]));
  });

  test("a subscription with more retries than maxDeliver leaves it is refused, and one with as many is not", async () => {
    await using runtime = createRuntime({
      id: "limited",
      components: { pubsub: pubsub({ natsURL: server.url, maxDeliver: 3 }) },
      host: processHost("node"),
    });
    const tries: number[] = [];
    const failing: Handler = (_event, _blocks, { attempt }) => {
      tries.push(attempt);
      throw new Error("on purpose");
    };
    const start = (options: SubscribeOptions) =>
      startSubscriptions(runtime, [
        subscribe("pubsub", "t.limited", failing, { retryDelayMs: 20, ...options }),
      ]);
    await expect(start({ maxRetries: 3 })).rejects.toThrow(
      "cannot subscribe to topic t.limited of pubsub with maxRetries 3: the component's own maxRetries is 2, by its setting maxDeliver",
    );
    await expect(start({ maxRetries: 2, deadLetterTopic: "t.buried" })).rejects.toThrow(
      "maxDeliver",
    );
    const { stop } = await start({ maxRetries: 1, deadLetterTopic: "t.buried" });
    const { seen } = await consume(broker(), "t.buried");
    await runtime.blocks.pubsub("pubsub").publish("t.limited", "x");
    await vi.waitFor(() => expect(seen).toHaveLength(1), 10_000);
    expect(tries).toEqual([1, 2]);
    await stop();
  });

  test("nothing is acknowledged before it is handled", async () => {
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { seen } = await consume(broker(), "t.ack", async () => {
      await held;
      return { is: "done" };
    });
    await broker().publish("t.ack", message("x"), call);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(await pending("shop__t_2eack")).toBe(1);
    finish();
    await vi.waitFor(async () => expect(await pending("shop__t_2eack")).toBe(0));
  });

  test("stop gives back at once what waits in the process", async () => {
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const first = await consume(broker(), "t.stop", async (message) => {
      if (text(message) === "slow") await held;
      return { is: "done" };
    });
    const publisher = broker();
    const send = (data: string) => publisher.publish("t.stop", message(data), call);
    // Quick ones, so that some are taken ahead.
    for (let number = 0; number < 50; number++) await send(`${number}`);
    await send("slow");
    for (let number = 0; number < 20; number++) await send(`rest ${number}`);
    await vi.waitFor(async () => {
      expect(first.seen).toHaveLength(51);
      expect(await pending("shop__t_2estop")).toBe(21);
    });
    const stopping = first.stop();
    const second = await consume(broker(), "t.stop");
    // Their lease lasts for 30 seconds.
    await vi.waitFor(() => expect(second.seen).toHaveLength(20), 10_000);
    finish();
    await stopping;
    expect(first.seen).toHaveLength(51);
  });

  test("what is to come again later does so no sooner for its process stopping, before its handler ends or after", async () => {
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const late = { is: "retry", delay: 2000 } as const;
    const answer = async (message: IncomingMessage) => {
      if (text(message) === "slow") await held;
      return late;
    };
    const first = await consume(broker(), "t.later", answer, {}, 2);
    for (const data of ["slow", "quick"]) await broker().publish("t.later", message(data), call);
    await vi.waitFor(() => expect(first.seen).toHaveLength(2));
    const stopping = first.stop();
    finish();
    await stopping;
    const stopped = Date.now();
    const { seen } = await consume(broker(), "t.later");
    await vi.waitFor(() => expect(seen).toHaveLength(2), 10_000);
    expect(Date.now() - stopped).toBeGreaterThan(1500);
    expect(seen.map(({ attempt }) => attempt)).toEqual([2, 2]);
  });

  test("credentials that the server refuses are a setting's fault, and are not told", async () => {
    const guarded = await startNats(["--auth", "right"], { token: "right" });
    try {
      const wrong = broker({ token: "wr0ng" }, guarded.url);
      const found = await failure(wrong.init?.(call) as Promise<void>);
      expect(found).toMatch(/^config: .*the server does not accept the credentials/);
      expect(found).not.toContain("wr0ng");
      await broker({ token: "right" }, guarded.url).init?.(call);
      await broker({}, guarded.url.replace("//", "//right@")).init?.(call);
    } finally {
      await guarded.stop();
    }
  });

  test("TLS with a certificate of the client, whose absence is a setting's fault", async () => {
    const { ca, cert, key } = makeCertificates();
    const words = ["--tls", "--tlsverify", "--tlscacert", ca, "--tlscert", cert, "--tlskey", key];
    const secured = await startNats(words, { tls: { caFile: ca, certFile: cert, keyFile: key } });
    const natsURL = secured.url.replace("nats:", "tls:");
    try {
      const { manager } = secured.raw;
      await manager.streams.add({ name: "all", subjects: ["tls.>"] });
      const settings = { natsURL, tls_client_cert: cert, tls_client_key: key };
      // Only a process that starts with it knows another authority.
      const consumer = await startConsumer({
        type: "pubsub.jetstream",
        options: settings,
        topic: "tls.x",
        concurrency: 1,
        ms: 0,
        env: { NODE_EXTRA_CA_CERTS: ca },
      });
      await manager.jetstream().publish("tls.x", '{"specversion":"1.0","data":7}');
      await vi.waitFor(() => expect(consumer.done.get(7)).toBe(1), 10_000);
      await consumer.stop();
      for (const options of [settings, { natsURL }]) {
        const found = await failure(opened(pubsub(options)).init?.(call) as Promise<void>);
        expect(found).toMatch(/^config: .*no TLS with the server: correct natsURL/);
      }
    } finally {
      await secured.stop();
    }
  });

  test("a server without JetStream is a setting's fault", async () => {
    const found = await failure(broker({ domain: "elsewhere" }).init?.(call) as Promise<void>);
    expect(found).toMatch(/^config: .*no JetStream for this account: start it with -js/);
  });

  test("stop and close are safe twice, and a closed component says so", async () => {
    const one = broker();
    const { stop } = await consume(one, "t.close");
    await Promise.all([stop(), stop()]);
    await stop();
    await one.close?.();
    await one.close?.();
    expect(await failure(one.publish("t.close", message("x"), call))).toBe(
      "unavailable: component broker is closed",
    );
  });
});
