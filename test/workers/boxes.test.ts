import { afterAll, beforeAll, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";

let workers: RunningMiniflare;
const at = (path: string) => `${workers.urls.main}${path}`;
const patience = { timeout: 30_000, interval: 50 };

beforeAll(async () => {
  const consumed = { consumer: "main", maxBatchSize: 10, maxBatchTimeout: 0.2, maxRetries: 10 };
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_boxes-worker.ts` },
    folder: newFolder("miniflare"),
    objects: newFolder("objects"),
    queues: { placed: consumed, shipping: consumed, lists: consumed },
  });
});
afterAll(() => workers?.stop());

const seen = async () => (await (await fetch(at("/"))).json()) as Record<string, unknown>;

test("on Queues and a Durable Object, outbox and inbox make the effects of an event happen once", async () => {
  for (const id of ["a", "b", "a"]) {
    expect(await (await fetch(at(`/place/${id}`), { method: "POST" })).text()).toBe("placed");
  }
  await expect.poll(seen, patience).toMatchObject({ count: 2, shipped: 2 });
  const { keys, deliveries } = await seen();
  expect(keys).toEqual(["a", "b", "count", "shipped"]);
  expect(deliveries).toBeGreaterThanOrEqual(2);
});

test("what Queues brings at once is one list", async () => {
  await fetch(at("/list"), { method: "POST" });
  await expect.poll(async () => (await seen()).lists, patience).toEqual([5]);
});
