import { afterAll, beforeAll, describe } from "vitest";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { absentRedis, type RedisServer, startRedis, startRedisCluster } from "../harness/redis.ts";
import { laterStreams } from "./_redis-stream-beds.ts";

for (const kind of ["redis", "valkey"] as const) {
  const reason = absentRedis(kind);
  describe.skipIf(reason)(reason ? `${kind} (skipped: ${reason})` : kind, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis({ kind });
    });
    afterAll(() => server.stop());

    pubSubSuite(
      "pubsub.redis, one server",
      laterStreams(() => ({ redisHost: server.address })),
    );
  });
}

const reason = absentRedis();
describe.skipIf(reason)(reason ? `cluster (skipped: ${reason})` : "cluster", () => {
  let masters: readonly RedisServer[];
  beforeAll(async () => {
    masters = await startRedisCluster();
  });
  afterAll(() => Promise.all(masters.map((one) => one.stop())));

  pubSubSuite(
    "pubsub.redis, a cluster",
    laterStreams(() => ({ redisHost: masters[0]?.address, redisType: "cluster" })),
  );
});
