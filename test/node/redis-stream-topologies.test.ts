import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { absentRedis, makeCertificates, startRedis, startSentinel } from "../harness/redis.ts";
import { callOf } from "./_redis-beds.ts";
import { consume, newTopic, pending, settled, streamsOn } from "./_redis-stream-beds.ts";

const message = (data: string): OutgoingMessage => ({ data, metadata: {} });

const reason = absentRedis();
describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis",
  { concurrent: true },
  () => {
    test("a master that a sentinel replaces: publishing and consuming go on with the next one", async ({
      expect,
    }) => {
      const master = await startRedis();
      const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(master.port)] });
      await settled(async () =>
        expect(await replica.raw.info("replication")).toContain("master_link_status:up"),
      );
      const sentinel = await startSentinel(master, "main");
      const broker = streamsOn({
        redisHost: sentinel.address,
        failover: true,
        sentinelMasterName: "main",
        readTimeout: 1000,
      });
      const topic = newTopic();
      const { seen } = await consume(broker, topic);
      await broker.publish(topic, message("before"), callOf());
      await settled(() => expect(seen).toHaveLength(1));
      await settled(async () =>
        expect(await sentinel.raw.call("SENTINEL", "REPLICAS", "main")).toHaveLength(1),
      );
      await master.raw.call("WAIT", 1, 5000);
      await master.halt();
      // The first that is taken is the new master's.
      await settled(() => broker.publish(topic, message("after"), callOf()), 25_000);
      await settled(() => expect(seen.map(({ data }) => data)).toContain("after"));
      await settled(async () => expect(await pending(replica.raw, topic)).toBe(0));
      await broker.close?.();
      await Promise.all([sentinel, replica, master].map((server) => server.stop()));
    }, 60_000);

    test("by TLS, as a user without dangerous commands", async ({ expect }) => {
      const certificates = makeCertificates();
      const user = ["--user", "app", "on", ">s3cret", "~*", "+@all", "-@dangerous"];
      const tls = { ...certificates, clients: "yes" } as const;
      const server = await startRedis({ tls, args: user });
      const broker = streamsOn({
        redisHost: server.address,
        redisUsername: "app",
        redisPassword: "s3cret",
        enableTLS: true,
        caCert: readFileSync(certificates.ca, "utf8"),
        clientCert: readFileSync(certificates.cert, "utf8"),
        clientKey: readFileSync(certificates.key, "utf8"),
      });
      await broker.init?.(callOf());
      const [first, second] = [newTopic(), newTopic()];
      const lines = await Promise.all([first, second].map((topic) => consume(broker, topic)));
      await broker.publish(first, message("1"), callOf());
      await broker.publishBulk?.(second, [message("2"), message("3")], callOf());
      await settled(() => expect(lines.map(({ seen }) => seen.length)).toEqual([1, 2]));
      await broker.close?.();
      await server.stop();
    });
  },
);
