import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as upstash from "../../bindings/upstash.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { startUpstash, type UpstashFront } from "../harness/upstash.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";
import { storeAt, thrownBy } from "./_drive.ts";

const reason = absentRedis();

describe.skipIf(reason)(reason ? `upstash (skipped: ${reason})` : "upstash", () => {
  let redis: RedisServer;
  let front: UpstashFront;
  let workers: RunningWorkers;
  let driven: RunningWorkers;

  beforeAll(async () => {
    redis = await startRedis();
    front = await startUpstash(redis.port);
    const env = { UPSTASH_REDIS_REST_URL: front.url, UPSTASH_REDIS_REST_TOKEN: front.token };
    [workers, driven] = (await Promise.all(
      ["_upstash-worker", "_upstash-driven-worker"].map((name) =>
        startWorkers({
          entry: `${root}/test/workers/${name}.ts`,
          folder: newFolder("workers"),
          objects: false,
          env,
        }),
      ),
    )) as [RunningWorkers, RunningWorkers];
  });
  afterAll(async () => {
    await workers?.stop();
    await driven?.stop();
    await front?.stop();
    await redis?.stop();
  });

  // Its cases run at once: many requests of one isolate share the component.
  stateSuite(
    "state.upstash, inside workerd",
    upstash.state({}).features,
    remoteRunner(() => workers.url),
    { concurrent: true },
  );

  // After the suite, which the front's troubles would fail.
  describe("state.upstash in trouble, inside workerd", () => {
    test("a server that is away or slow is unavailable, and is found again", async () => {
      const state = storeAt(driven.url);
      await state.set("k", 1);
      await front.halt();
      expect(await thrownBy(state.get("k"))).toMatchObject({ kind: "unavailable" });
      await front.start();
      front.delay(60_000);
      const slow = await thrownBy(state.set("k", 2));
      expect(slow).toMatchObject({ kind: "unavailable" });
      expect(slow.message).toContain("500 ms");
      front.delay(0);
      expect(await state.get("k")).toBe(2);
    });

    test("a wrong token is a configuration error", async () => {
      const error = await thrownBy(storeAt(driven.url, "wrong").set("k", 1));
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).not.toContain("wrong-token");
      expect(driven.output()).toBe("");
    });

    test("an isolate's requests share it: 16 that write at once lose nothing", async () => {
      await Promise.all(
        Array.from({ length: 16 }, () =>
          fetch(`${driven.url}/count/statestore/4`, { method: "POST" }),
        ),
      );
      expect(await storeAt(driven.url).get("counter")).toBe(64);
    });
  });
});
