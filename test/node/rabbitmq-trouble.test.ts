import { readFileSync } from "node:fs";
import type { ConfirmChannel } from "amqplib";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { startConsumer } from "../harness/consumers.ts";
import { freePort } from "../harness/machine.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { makeCertificates } from "../harness/redis.ts";
import { call, consume, failure, opened, text } from "./_broker.ts";

const absent = absentRabbit();
type Options = Parameters<typeof pubsub>[0];

describe.skipIf(absent)(`RabbitMQ${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: RabbitServer;
  const brokers: PubSub[] = [];
  const broker = (options: Options = {}) => {
    const settings = { connectionString: server.url, reconnectWaitSeconds: "300ms", ...options };
    const made = opened(pubsub(settings));
    brokers.push(made);
    return made;
  };
  const message = (data: string) => ({ data, metadata: {} });
  const channel = async (): Promise<ConfirmChannel> => (await server.raw()).createConfirmChannel();

  beforeAll(async () => {
    server = await startRabbit();
  });
  afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));
  afterAll(() => server?.stop());

  test("nothing is acknowledged before it is handled, and stop gives back at once what waits", async () => {
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const hold = async () => {
      await held;
      return { is: "done" } as const;
    };
    const first = await consume(broker({ prefetchCount: 10 }), "stop", hold, {}, 1);
    const publisher = broker();
    for (let number = 0; number < 8; number++)
      await publisher.publish("stop", message(`${number}`), call);
    const counted = await channel();
    await vi.waitFor(async () => {
      expect(first.seen).toHaveLength(1);
      // All wait in the process.
      expect((await counted.checkQueue("shop-stop")).messageCount).toBe(0);
    });
    const stopping = first.stop();
    const second = await consume(broker(), "stop");
    await vi.waitFor(() => expect(second.seen).toHaveLength(7), 10_000);
    expect(second.seen.map(text)).not.toContain("0");
    finish();
    await stopping;
    await second.stop();
    expect((await counted.checkQueue("shop-stop")).messageCount).toBe(0);
    expect(first.seen).toHaveLength(1);
  });

  test("what a killed process had in hand comes to another at once", async () => {
    const consumer = await startConsumer({
      type: "pubsub.rabbitmq",
      options: { connectionString: server.url },
      topic: "kill",
      concurrency: 1,
      ms: 600_000,
    });
    await broker().publish("kill", message('{"specversion":"1.0","data":1}'), call);
    await vi.waitFor(() => expect(consumer.inHand.size).toBe(1), 10_000);
    const { seen } = await consume(broker(), "kill");
    await consumer.kill();
    await vi.waitFor(() => expect(seen).toHaveLength(1), 10_000);
    expect(seen[0]?.attempt).toBe(2);
  });

  test("a queue that somebody deletes is declared again", async () => {
    const { seen } = await consume(broker(), "deleted");
    await (await channel()).deleteQueue("shop-deleted");
    const publisher = broker();
    await vi.waitFor(async () => {
      await publisher.publish("deleted", message("x"), call);
      expect(seen.length).toBeGreaterThan(0);
    }, 10_000);
  });

  test("an exchange that somebody deletes fails what is published, and is declared again", async () => {
    const publisher = broker();
    await publisher.publish("gone", message("x"), call);
    await (await channel()).deleteExchange("gone");
    expect(await failure(publisher.publish("gone", message("x"), call))).toMatch(/^unavailable: /);
    await publisher.publish("gone", message("x"), call);
  });

  test("a refusal is an error, and not only a line in a log", async () => {
    const counted = await channel();
    await counted.assertExchange("full", "fanout", { durable: true });
    await counted.assertQueue("full", {
      arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
    });
    await counted.bindQueue("full", "full", "");
    const publisher = broker();
    await publisher.publish("full", message("1"), call);
    expect(await failure(publisher.publish("full", message("2"), call))).toBe(
      "unavailable: component broker: RabbitMQ refused the message: it does not have it",
    );
  });

  test("credentials that the server refuses are a setting's fault, and are not told", async () => {
    const found = await failure(broker({ password: "wr0ng" }).init?.(call) as Promise<void>);
    expect(found).toMatch(/^config: .*the server does not accept the credentials/);
    expect(found).not.toContain("wr0ng");
    const host = await failure(
      broker({ connectionString: `${server.url}/nowhere` }).init?.(call) as Promise<void>,
    );
    expect(host).toMatch(/^config: .*no such virtual host/);
  });

  test("TLS, and a certificate that says who the client is", async () => {
    const { ca, cert, key } = makeCertificates();
    const port = await freePort();
    const secured = await startRabbit({
      plugins: "rabbitmq_auth_mechanism_ssl",
      config: [
        `listeners.ssl.1 = 127.0.0.1:${port}`,
        ...[`ssl_options.cacertfile = ${ca}`, `ssl_options.certfile = ${cert}`],
        ...[`ssl_options.keyfile = ${key}`, "ssl_options.verify = verify_peer"],
        ...["ssl_options.fail_if_no_peer_cert = true", "ssl_cert_login_from = common_name"],
        "auth_mechanisms.1 = EXTERNAL",
        // The certificate's name.
        ...["default_user = localhost", "default_pass = unused"],
      ],
    });
    try {
      const read = (file: string) => readFileSync(file, "utf8");
      const known = {
        connectionString: `amqps://127.0.0.1:${port}`,
        saslExternal: true,
        clientCert: read(cert),
        clientKey: read(key),
      };
      const trusted = broker({ ...known, caCert: read(ca) });
      const { seen } = await consume(trusted, "tls");
      await trusted.publish("tls", message("x"), call);
      await vi.waitFor(() => expect(seen.map(text)).toEqual(["x"]));
      expect(await failure(broker(known).init?.(call) as Promise<void>)).toMatch(
        /^config: .*no TLS with the server: correct connectionString, caCert/,
      );
      await Promise.all(brokers.splice(0).map((one) => one.close?.()));
    } finally {
      await secured.stop();
    }
  }, 60_000);

  test("a server that does not answer fails a publish when its time is over", async () => {
    const publisher = broker();
    await publisher.publish("frozen", message("1"), call);
    await server.freeze();
    const soon = { ...call, deadline: Date.now() + 300 };
    const found = await failure(publisher.publish("frozen", message("2"), soon));
    const fresh = broker();
    const unmade = await failure(
      fresh.publish("frozen", message("3"), { ...soon, deadline: Date.now() + 300 }),
    );
    server.thaw();
    expect(found).toMatch(/^unavailable: .*whether it has it is not known$/);
    expect(unmade).toMatch(/^unavailable: .*had no channel for the message/);
    await publisher.publish("frozen", message("4"), call);
  });

  test("stop and close are safe twice, and a closed component says so", async () => {
    const one = broker();
    const { stop } = await consume(one, "close");
    await Promise.all([stop(), stop()]);
    await stop();
    await one.close?.();
    await one.close?.();
    expect(await failure(one.publish("close", message("x"), call))).toBe(
      "unavailable: component broker is closed",
    );
  });

  test("goes on by itself after the server was away, and a publish meanwhile fails in time", async () => {
    const publisher = broker();
    const { seen } = await consume(broker(), "away");
    await publisher.publish("away", message("before"), call);
    const counted = await channel();
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["before"]));
    await publisher.publish("away", message("and"), call);
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    await counted.close();
    await server.halt();
    const soon = { ...call, deadline: Date.now() + 300 };
    expect(await failure(publisher.publish("away", message("lost"), soon))).toMatch(
      /^unavailable: /,
    );
    expect(await failure(broker().init?.(call) as Promise<void>)).toMatch(/^unavailable: /);
    expect(await failure(consume(broker(), "away"))).toMatch(/^unavailable: /);
    const gone = new AbortController();
    gone.abort(new Error("gone"));
    const given = publisher.publish("away", message("lost"), { ...call, signal: gone.signal });
    expect(await failure(given)).toBe("Error: gone");
    await server.start();
    await publisher.publish("away", message("after"), call);
    await vi.waitFor(() => expect(seen.map(text)).toContain("after"), 10_000);
    // Nothing that failed was sent later.
    expect(seen.map(text)).not.toContain("lost");
  }, 60_000);
});
