import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe } from "vitest";
import { localStateSuite } from "../conformance/suite.ts";
import {
  absentRedis,
  type Certificates,
  makeCertificates,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startSentinel,
} from "../harness/redis.ts";
import { later, ownClient } from "./_redis-beds.ts";

const apart = "its keys lie in different slots; redis-cluster.test.ts has them in one";

const reason = absentRedis();
describe.skipIf(reason)(reason ? `redis (skipped: ${reason})` : "redis", () => {
  const servers: RedisServer[] = [];
  let cluster: string;
  let master: RedisServer;
  let sentinel: RedisServer;
  let secure: RedisServer;
  let certificates: Certificates;
  let client: Redis;
  beforeAll(async () => {
    certificates = makeCertificates();
    const user = ["--user", "app", "on", ">s3cret", "~conformance||*", "+@all", "-@dangerous"];
    const [masters, watched, behindTLS] = await Promise.all([
      startRedisCluster(),
      startRedis(),
      startRedis({ tls: { ...certificates, clients: "yes" }, args: user }),
    ]);
    cluster = masters.map(({ address }) => address).join(",");
    [master, secure] = [watched, behindTLS];
    sentinel = await startSentinel(master, "main");
    client = ownClient(master.port);
    servers.push(...masters, sentinel, master, secure);
  });
  afterAll(async () => {
    client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  });

  localStateSuite(
    "state.redis, a cluster",
    later(() => ({ redisHost: cluster, redisType: "cluster" })),
    {
      "a transaction upserts and deletes": apart,
      "operations of a transaction apply in order": apart,
      "a transaction with one stale ETag writes nothing": apart,
      "a transaction under current ETags commits": apart,
      "a transaction of 100 operations commits": apart,
      "a time to live in a transaction holds, and one without it takes an earlier one away": apart,
    },
  );
  localStateSuite(
    "state.redis, a master that a sentinel watches, without prefix",
    later(() => ({
      redisHost: sentinel.address,
      failover: true,
      sentinelMasterName: "main",
      keyPrefix: "none",
    })),
  );
  localStateSuite(
    "state.redis, a client of one's own",
    later(() => ({ client })),
  );
  localStateSuite(
    "state.redis, TLS with a client's certificate, as a user without INFO",
    later(() => ({
      redisHost: secure.address,
      redisUsername: "app",
      redisPassword: "s3cret",
      enableTLS: true,
      caCert: readFileSync(certificates.ca, "utf8"),
      clientCert: readFileSync(certificates.cert, "utf8"),
      clientKey: readFileSync(certificates.key, "utf8"),
    })),
  );
});
