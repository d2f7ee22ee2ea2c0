import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/kafka.ts";
import type { IncomingMessage, Outcome } from "../../src/contracts/pubsub.ts";
import { newFolder } from "../harness/folder.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";
import { makeCertificates } from "../harness/redis.ts";
import { call, consume, failure, opened, text } from "./_broker.ts";

const absent = absentKafka();
type Options = Omit<Parameters<typeof pubsub>[0], "brokers">;

describe.skipIf(absent)(`Kafka${absent ? ` (skipped: ${absent})` : ""}`, () => {
  const files = absent ? undefined : makeCertificates();
  const pem = (name: "ca" | "cert" | "key") => readFileSync(files?.[name] as string, "utf8");
  /** Properties of a broker whose port speaks `protocol`. */
  const secured = (protocol: "SASL_SSL" | "SSL") => {
    const store = join(newFolder("kafka"), "broker.pem");
    writeFileSync(store, pem("key") + pem("cert"));
    return [
      `listener.security.protocol.map=PLAINTEXT:${protocol},CONTROLLER:PLAINTEXT`,
      "inter.broker.listener.name=PLAINTEXT",
      "ssl.keystore.type=PEM",
      `ssl.keystore.location=${store}`,
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${files?.ca}`,
    ];
  };
  const roundTrip = async (server: KafkaServer, options: Options) => {
    const broker = opened(pubsub({ brokers: server.brokers, ...options }));
    const { seen } = await consume(broker, "secured");
    await broker.publish("secured", { data: "x", metadata: {} }, call);
    await vi.waitFor(() => expect(seen.map(text)).toEqual(["x"]), 10_000);
    await broker.close?.();
  };
  const refusal = async (server: KafkaServer, options: Options) => {
    const broker = opened(pubsub({ brokers: server.brokers, ...options }));
    const found = await failure(broker.init?.(call) as Promise<void>);
    await broker.close?.();
    return found;
  };

  describe("that wants users, by TLS", () => {
    let server: KafkaServer;
    const password = { authType: "password", saslUsername: "shop", saslPassword: "right" };

    beforeAll(async () => {
      const module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
      const users = 'username="broker" password="b" user_broker="b" user_shop="right";';
      const extra = [
        ...secured("SASL_SSL"),
        "sasl.enabled.mechanisms=PLAIN",
        "sasl.mechanism.inter.broker.protocol=PLAIN",
        `listener.name.plaintext.plain.sasl.jaas.config=${module} ${users}`,
      ];
      const sasl = { mechanism: "plain", username: "shop", password: "right" } as const;
      server = await startKafka(extra, { ssl: { ca: pem("ca") }, sasl });
      await server.create("secured", 1);
    }, 120_000);
    afterAll(() => server?.stop());

    test("lets a user in", () => roundTrip(server, { ...password, caCert: pem("ca") }));

    test("refuses another password, by the settings' names", async () => {
      const options = { ...password, saslPassword: "wrong one", caCert: pem("ca") };
      const found = await refusal(server, options);
      expect(found).toMatch(/^config: component broker: .*saslPassword/);
      expect(found).not.toContain("wrong one");
    });

    test("is not trusted without caCert, but with skipVerify", async () => {
      expect(await refusal(server, password)).toMatch(/^config: .*set caCert/);
      await roundTrip(server, { ...password, skipVerify: true });
    });
  });

  describe("that wants certificates", () => {
    let server: KafkaServer;

    beforeAll(async () => {
      const ssl = { ca: pem("ca"), cert: pem("cert"), key: pem("key") };
      server = await startKafka(
        [...secured("SSL"), "ssl.client.auth=required", "offset.metadata.max.bytes=8"],
        { ssl },
      );
      await server.create("secured", 1);
    }, 120_000);
    afterAll(() => server?.stop());
    const mutual = {
      authType: "mtls",
      caCert: pem("ca"),
      clientCert: pem("cert"),
      clientKey: pem("key"),
    };

    test("lets in who has one", () => roundTrip(server, mutual));

    test("and takes no text beside a position: a process counts in itself", async () => {
      const broker = opened(pubsub({ brokers: server.brokers, ...mutual }));
      const seen: number[] = [];
      const deliver = async ({ attempt }: IncomingMessage): Promise<Outcome> => {
        seen.push(attempt);
        return attempt < 3 ? { is: "retry", delay: 10 } : { is: "done" };
      };
      await broker.subscribe?.({ topic: "secured", metadata: {}, maxRetries: 5, deliver }, call);
      await broker.publish("secured", { data: "x", metadata: {} }, call);
      await vi.waitFor(() => expect(seen).toEqual([1, 2, 3]), 10_000);
      await broker.close?.();
      expect(await server.committed("shop", "secured")).toEqual([2]);
    });

    test("refuses who has none", async () => {
      const found = await refusal(server, { authType: "certificate", caCert: pem("ca") });
      expect(found).toMatch(/^(config|unavailable): component broker: /);
    });
  });
});
