import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import type { ApiError } from "../../src/errors.ts";
import {
  callOf,
  closeAll,
  component,
  outcomes,
  runtimeOf,
  stateOn,
  versions,
  withServer,
} from "./_postgresql-beds.ts";

withServer("state.postgresql: a server that goes away", { durable: true }, (server) => {
  beforeAll(async () => {
    for (const version of versions) await server().sql(`CREATE DATABASE ${version}`);
  });
  afterEach(closeAll);

  test("it is away for ten seconds under writes: they fail in time, come back by themselves, and none acknowledged is lost", async () => {
    const beds = versions.map((version) => ({
      state: stateOn(
        component(version, {
          connectionString: server().url(version),
          timeout: 2,
        }),
      ),
      acknowledged: new Map<string, number>(),
      failures: [] as ApiError[],
      slowest: 0,
    }));
    let over = false;
    onTestFinished(() => {
      over = true;
    });
    let recovered = 0;
    let back = Number.POSITIVE_INFINITY;
    const load = beds.flatMap((bed, index) =>
      Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 0; !over; n++) {
          const started = Date.now();
          const key = `${index}-${writer}-${n % 50}`;
          try {
            await bed.state.set(key, n);
            bed.acknowledged.set(key, n);
            if (started > back) recovered++;
          } catch (error) {
            bed.failures.push(error as ApiError);
            // What was not acknowledged may have been written or not: nothing is known of the key any more.
            bed.acknowledged.delete(key);
            await sleep(20);
          }
          bed.slowest = Math.max(bed.slowest, Date.now() - started);
        }
      }),
    );
    const least = () => Math.min(...beds.map(({ acknowledged }) => acknowledged.size));
    await expect.poll(least, { timeout: 15_000 }).toBeGreaterThan(50);
    await server().stop();
    await sleep(10_000);
    await server().start();
    back = Date.now();
    await expect.poll(() => recovered, { timeout: 15_000 }).toBeGreaterThan(100);
    over = true;
    await Promise.all(load);
    for (const { state, acknowledged, failures, slowest } of beds) {
      expect(failures.length).toBeGreaterThan(0);
      expect([...new Set(failures.map(({ kind }) => kind))]).toEqual(["unavailable"]);
      expect(slowest).toBeLessThan(10_000);
      const keys = [...acknowledged.keys()];
      const items = await state.getBulk(keys);
      const lost = items.filter(({ key, value }) => value !== acknowledged.get(key));
      expect(lost).toEqual([]);
    }
  }, 60_000);

  test("a call that is aborted while its connection is tried writes nothing later", async () => {
    const options = { connectionString: server().url("v1"), maxConns: 1 };
    const runtime = runtimeOf(component("v1", options));
    await runtime.blocks.state("store").set("k", "before");
    await sleep(1100);
    server().freeze();
    const controller = new AbortController();
    const state = runtime.blocksFor(callOf({ signal: controller.signal })).state("store");
    const work = expect(state.set("k", "aborted")).rejects.toBe("gone");
    await sleep(100);
    controller.abort("gone");
    await work;
    server().thaw();
    // By the one connection, so after whatever the aborted call has still to do.
    expect(await runtime.blocks.state("store").get("k")).toBe("before");
  });

  test("it stands still: calls fail in time, also those that connect, and go on when it does", async () => {
    const state = stateOn(
      component("v2", {
        connectionString: server().url("v2"),
        timeout: 1,
        maxConns: 4,
      }),
    );
    await state.set("k", 1);
    server().freeze();
    try {
      for (let round = 0; round < 2; round++) {
        const started = Date.now();
        const settled = await Promise.allSettled(Array.from({ length: 8 }, () => state.get("k")));
        const { succeeded, kinds } = outcomes(settled);
        expect([succeeded, kinds]).toEqual([0, ["unavailable"]]);
        expect(Date.now() - started).toBeLessThan(10_000);
      }
      const fresh = stateOn(component("v2", { connectionString: server().url("v2"), timeout: 1 }));
      await expect(fresh.get("k")).rejects.toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/component store: .*PostgreSQL at 127\.0\.0\.1:\d+\/v2/),
      });
      // To close does not wait for it either.
      const closing = Date.now();
      await closeAll();
      expect(Date.now() - closing).toBeLessThan(10_000);
    } finally {
      server().thaw();
    }
    const thawed = stateOn(
      component("v2", { connectionString: server().url("v2") } as Parameters<typeof component>[1]),
    );
    expect(await thawed.get("k")).toBe(1);
  });
});
