import { afterAll, beforeAll, describe } from "vitest";
import { localStateSuite } from "../conformance/suite.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { later } from "./_redis-beds.ts";

for (const kind of ["redis", "valkey"] as const) {
  const reason = absentRedis(kind);
  describe.skipIf(reason)(reason ? `${kind} (skipped: ${reason})` : kind, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis({ kind });
    });
    afterAll(() => server.stop());

    localStateSuite(
      "state.redis, one server",
      later(() => ({ redisHost: server.address })),
    );
  });
}
