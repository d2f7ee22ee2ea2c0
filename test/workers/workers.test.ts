import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";

const entry = (name: string) => `${root}/test/workers/${name}.ts`;

describe("two Workers bound to one object", () => {
  let workers: RunningWorkers;
  beforeAll(async () => {
    workers = await startWorkers({
      entry: entry("_race-main"),
      folder: newFolder("race"),
      peers: { peer: entry("_race-peer") },
    });
  });
  afterAll(() => workers?.stop());

  test("64 writers on one key: conflicts, and no update lost", async () => {
    const urls = [workers.url, workers.peers.peer as string];
    const count = async (url: string) =>
      (await (await fetch(`${url}/count/5`)).json()) as { conflicts: number };
    const answers = await Promise.all(
      urls.flatMap((url) =>
        Array.from({ length: 32 }, () =>
          count(url).then((answer) => [url, answer.conflicts] as const),
        ),
      ),
    );
    for (const url of urls)
      expect(
        Math.max(...answers.filter(([from]) => from === url).map(([, conflicts]) => conflicts)),
      ).toBeGreaterThan(0);
    for (const url of urls) expect(await (await fetch(`${url}/counter`)).json()).toBe(320);
  });

  test("the trace of each of 100 overlapping requests stays its own, and waitUntil's work is done", async () => {
    const traceparent = (n: number) =>
      `00-${String(n).padStart(32, "0")}-${String(n).padStart(16, "0")}-01`;
    const ask = async (n: number) =>
      (
        await fetch(`${workers.url}/trace?n=${n}`, {
          headers: { traceparent: traceparent(n), baggage: `n=${n}` },
        })
      ).json();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index + 1)));
    answers.forEach((answer, index) => {
      expect(answer).toEqual({
        trace: { traceparent: traceparent(index + 1), baggage: `n=${index + 1}` },
        stored: traceparent(index + 1),
      });
    });
    expect(await (await fetch(`${workers.url}/later?n=7`)).json()).toBe("done");
  });
});

describe("a cold isolate", () => {
  test("answers 1,000 first requests at once, also when 100 of their clients leave", async () => {
    const workers = await startWorkers({ entry: entry("_race-main"), folder: newFolder("cold") });
    try {
      const leaving = Array.from({ length: 100 }, (_, index) =>
        leave(`${workers.url}/first/leaving-${index}`),
      );
      const answers = Array.from({ length: 900 }, async (_, index) => {
        const response = await fetch(`${workers.url}/first/${index}`);
        return `${response.status} ${await response.text()}`;
      });
      expect(await Promise.all(answers)).toEqual(
        Array.from({ length: 900 }, (_, index) => `200 ${index}`),
      );
      await Promise.all(leaving);
      expect(await (await fetch(`${workers.url}/first/after`)).text()).toBe("after");
    } finally {
      await workers.stop();
    }
  });

  /** Sends a request and cuts the connection while the answer is being made. */
  function leave(url: string): Promise<void> {
    return new Promise((resolve) => {
      const cut = request(url)
        .on("error", () => resolve())
        .on("close", () => resolve());
      cut.end();
      setTimeout(() => cut.destroy(), 5 + Math.random() * 20);
    });
  }
});

test("without the export of PillionObject the first use says what to add", async () => {
  const workers = await startWorkers({
    entry: entry("_race-peer"),
    folder: newFolder("missing"),
    objects: false,
  });
  try {
    expect(await (await fetch(`${workers.url}/hello`)).text()).toBe("hello");
    const unexported = await fetch(`${workers.url}/first/1`);
    expect(unexported.status).toBe(500);
    const { errorCode, message } = (await unexported.json()) as {
      errorCode: string;
      message: string;
    };
    expect(errorCode).toBe("ERR_CONFIGURATION");
    expect(message).toContain("component statestore needs the Durable Object class PillionObject");
    expect(message).toContain('export { PillionObject } from "pillion/workers";');
    expect(message).toContain("[exports.PillionObject]");
    const unbound = (await (await fetch(`${workers.url}/counter`)).json()) as { message: string };
    expect(unbound.message).toContain("component shared: the setting binding is STORE");
  } finally {
    await workers.stop();
  }
});

test("withPillion gives a bare handler its blocks, and passes on what it throws", async () => {
  const workers = await startWorkers({
    entry: entry("_bare-worker"),
    folder: newFolder("bare"),
    env: { NAME: "bare" },
  });
  try {
    expect(await (await fetch(`${workers.url}/path`)).json()).toEqual({
      name: "bare",
      stored: "/path",
    });
    expect((await fetch(`${workers.url}/boom`)).status).toBe(500);
    await expect.poll(() => workers.output()).toContain("passed on");
  } finally {
    await workers.stop();
  }
});

test("the object's alarm removes what has ended and leaves the rest", async () => {
  const workers = await startWorkers({ entry: entry("_sweep-worker"), folder: newFolder("sweep") });
  try {
    expect(await (await fetch(workers.url, { method: "POST" })).json()).toEqual(["ends", "stays"]);
    await expect
      .poll(async () => (await fetch(workers.url)).json(), { timeout: 10_000 })
      .toEqual(["stays"]);
  } finally {
    await workers.stop();
  }
});

test("what is too large for an object is refused, and what is large comes back in parts", async () => {
  const workers = await startWorkers({ entry: entry("_race-main"), folder: newFolder("sizes") });
  try {
    const sizes = (await (await fetch(`${workers.url}/sizes`)).json()) as Record<string, unknown>;
    const refused = (what: RegExp) => ({ kind: "invalid", message: expect.stringMatching(what) });
    expect(sizes).toEqual({
      row: refused(/the item race\|\|row is too large for a Durable Object, which takes 2000000/),
      key: refused(/is too large for a Durable Object, which takes 2000000 bytes/),
      transaction: refused(/the transaction is too large .* 30000000 bytes: nothing was written/),
      written: 0,
      read: 20,
    });
  } finally {
    await workers.stop();
  }
});

test("what an object acknowledged is there after kill -9", async () => {
  const folder = newFolder("kill");
  let workers = await startWorkers({ entry: entry("_race-main"), folder });
  const total = 2000;
  const acknowledged: number[] = [];
  const write = async (index: number) => {
    const response = await fetch(`${workers.url}/first/${index}`).catch(() => undefined);
    if (response?.ok) acknowledged.push(index);
    if (acknowledged.length === 300) await workers.kill();
  };
  const queue = Array.from({ length: total }, (_, index) => index);
  const client = async () => {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) await write(index);
  };
  await Promise.all(Array.from({ length: 16 }, client));
  expect(acknowledged.length).toBeGreaterThanOrEqual(300);
  expect(acknowledged.length).toBeLessThan(total);
  workers = await startWorkers({ entry: entry("_race-main"), folder });
  try {
    for (const index of acknowledged) {
      expect(await (await fetch(`${workers.url}/read/${index}`)).text()).toBe(String(index));
    }
  } finally {
    await workers.stop();
  }
});
