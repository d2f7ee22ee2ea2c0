import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import {
  callOf,
  component,
  freshDatabase,
  outcomes,
  runtimeOf,
  runWriter,
  stateOn,
  withServer,
} from "./_postgresql-beds.ts";

withServer("state.postgresql: calls that end, and connections that do", {}, (server) => {
  const { url, sql, waiting, hold } = freshDatabase(server);
  const v2 = (options = {}) => component("v2", { connectionString: url(), ...options });

  test("a call that is aborted while it waits for a lock ends at once, and its write is not made later", async () => {
    const runtime = runtimeOf(v2());
    await runtime.blocks.state("store").setBulk([
      { key: "k", value: "before" },
      { key: "j", value: 1 },
    ]);
    const release = await hold("k");
    const controller = new AbortController();
    const state = runtime.blocksFor(callOf({ signal: controller.signal })).state("store");
    const works = [
      state.set("k", "aborted"),
      state.delete("k"),
      state.transaction([
        { operation: "upsert", key: "k", value: "aborted" },
        { operation: "delete", key: "j" },
      ]),
    ];
    const settled = Promise.allSettled(works);
    await waiting(3);
    const reason = new Error("gone");
    controller.abort(reason);
    expect((await settled).map((one) => one.status === "rejected" && one.reason)).toEqual([
      reason,
      reason,
      reason,
    ]);
    await waiting(0);
    await release();
    const other = runtime.blocks.state("store");
    expect([await other.get("k"), await other.get("j")]).toEqual(["before", 1]);
    await other.set("k", "after");
    expect(await other.get("k")).toBe("after");
  });

  test("a call ends with its invocation's time, and with the timeout", async () => {
    const runtime = runtimeOf(v2({ timeout: 1 }));
    await runtime.blocks.state("store").set("k", "before");
    const release = await hold("k");
    for (const [deadline, least, most] of [
      [Date.now() + 300, 250, 8000],
      [undefined, 900, 8000],
    ] as const) {
      const state = runtime.blocksFor(callOf({ deadline })).state("store");
      const started = Date.now();
      await expect(state.set("k", "late")).rejects.toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(
          /did not answer .*at most \d+ ms: it is not known whether the write was made/,
        ),
      });
      expect(Date.now() - started).toBeGreaterThan(least);
      expect(Date.now() - started).toBeLessThan(most);
    }
    await waiting(0);
    await release();
    expect(await runtime.blocks.state("store").get("k")).toBe("before");
  });

  test("when all connections are in use a call waits, then fails and names the setting", async () => {
    const runtime = runtimeOf(v2({ maxConns: 2, timeout: 10 }));
    const state = runtime.blocks.state("store");
    await state.setBulk([
      { key: "k", value: 1 },
      { key: "j", value: 1 },
    ]);
    const release = await hold("k");
    const held = [state.set("k", 2), state.set("k", 3)];
    await waiting(2);
    const patient = Array.from({ length: 200 }, () => state.get("j"));
    const settled = Promise.allSettled(patient);
    // The line is full: this one does not even wait.
    await expect(state.get("j")).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(
        /200 calls wait already: all 2 connections are in use: raise maxConns/,
      ),
    });
    await release();
    await Promise.all(held);
    expect(outcomes(await settled).succeeded).toBe(200);
    const again = await hold("k");
    const stuck = [state.set("k", 4), state.set("k", 5)];
    await waiting(2);
    const soon = runtime.blocksFor(callOf({ deadline: Date.now() + 300 })).state("store");
    const refused = (message: RegExp) => ({
      kind: "unavailable",
      message: expect.stringMatching(message),
    });
    await expect(soon.get("j")).rejects.toMatchObject(
      refused(/no connection .*was free within the time of the call.*raise maxConns/),
    );
    await expect(state.get("j")).rejects.toMatchObject(
      refused(/no connection was free for 5000 ms: .*raise maxConns/),
    );
    await again();
    await Promise.all(stuck);
    expect(await state.get("j")).toBe(1);
  });

  test("a session that the server ends fails its call alone", async () => {
    const state = stateOn(v2());
    await state.setBulk([
      { key: "k", value: 1 },
      { key: "j", value: 1 },
    ]);
    const release = await hold("k");
    const ended = expect(state.set("k", 2)).rejects.toMatchObject({ kind: "unavailable" });
    await waiting(1);
    await sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    await ended;
    expect(await state.get("j")).toBe(1);
    await release();
    expect(await state.get("k")).toBe(1);
    await state.set("k", 3);
  });

  test("connections that ended while the process was frozen are not written to", async () => {
    const state = stateOn(v2());
    await Promise.all([1, 2, 3].map((n) => state.set(`k-${n}`, n)));
    const shared = new Int32Array(new SharedArrayBuffer(4));
    // Another thread ends the sessions while this one stands still and hears nothing.
    const worker = new Worker(
      `const { workerData: { url, shared } } = require("node:worker_threads");
       const { Client } = require("pg");
       (async () => {
         const client = new Client(url);
         await client.connect();
         await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pillion' AND datname = current_database()");
         await client.end();
         Atomics.store(shared, 0, 1);
         Atomics.notify(shared, 0);
       })();`,
      { eval: true, workerData: { url: url(), shared } },
    );
    // The worker's first steps need this thread.
    await new Promise((resolve) => worker.once("online", resolve));
    expect(Atomics.wait(shared, 0, 0, 10_000)).not.toBe("timed-out");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
    await state.set("k-1", "thawed");
    expect(await state.get("k-1")).toBe("thawed");
  });

  test("a connection that was idle for longer than it may be is replaced", async () => {
    let ahead = 0;
    const clock = { now: () => Date.now() + ahead, sleep: (ms: number) => sleep(ms) };
    const state = stateOn(v2({ connectionMaxIdleTime: "10m" }), { clock });
    const sessions = async () => {
      await state.get("k");
      const rows = await sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pillion' AND datname = current_database()",
      );
      return rows.map(({ pid }) => pid);
    };
    const [first] = await sessions();
    ahead += 9 * 60_000;
    expect(await sessions()).toEqual([first]);
    ahead += 11 * 60_000;
    await expect.poll(sessions).toEqual([expect.any(Number)]);
    expect(await sessions()).not.toEqual([first]);
  });

  test("a process ends after it closed, and also when it only stopped asking", async () => {
    for (const words of [["once", "close"], ["once"]]) {
      const { code, output } = await runWriter("v2", url(), ...words);
      expect([code, output]).toEqual([0, "done\n"]);
    }
  });
});
