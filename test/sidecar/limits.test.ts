import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { componentYaml, killSidecars } from "../harness/sidecar.ts";
import { closeApps, publish, startApp, startFor } from "./_app.ts";

// Each test starts a process of its own, whose app takes its time.
vi.setConfig({ testTimeout: 60_000 });
afterAll(killSidecars);
afterEach(closeApps);

const LEASE_MS = 2000;
const buried = { pubsubname: "bus", topic: "buried", route: "/buried" };
const to = (topic: string) => ({
  pubsubname: "bus",
  topic,
  route: `/${topic}`,
  deadLetterTopic: "buried",
});

/** An app that takes one call at a time, and `ms` for it, over a broker that waits `LEASE_MS`. */
async function startSlow(topics: readonly string[], ms: number) {
  const app = await startApp([...topics.map(to), buried], () => sleep(ms, undefined));
  const connectionString = join(newFolder("queue"), "queue.db");
  const settings = { connectionString, processingTimeout: `${LEASE_MS}ms` };
  const bus = componentYaml("bus", "pubsub.sqlite", settings);
  const flags = ["--app-max-concurrency", "1"];
  const sidecar = await startFor(app, { flags, resources: { "bus.yaml": bus } });
  return { app, sidecar };
}

test("messages of a topic do not wait for each other at the app's limit", async () => {
  const { app, sidecar } = await startSlow(["orders"], 400);
  const numbers = Array.from({ length: 10 }, (_, n) => n);
  await Promise.all(numbers.map((n) => publish(sidecar, "bus/orders", { n })));
  await expect.poll(() => app.got.length, { timeout: 20_000 }).toBe(10);
  await sidecar.stop();
  expect(app.got.map(({ path }) => path)).toEqual(numbers.map(() => "/orders"));
  expect(sidecar.output()).not.toContain("was retried");
});

test("a message that waits too long for its turn is given back, and is no dead letter", async () => {
  const topics = ["a", "b", "c", "d", "e", "f"];
  const { app, sidecar } = await startSlow(topics, 500);
  await Promise.all(topics.map((topic) => publish(sidecar, `bus/${topic}`, { n: 1 })));
  const paths = () => new Set(app.got.map(({ path }) => path));
  await expect.poll(() => paths().size, { timeout: 20_000 }).toBe(topics.length);
  await sidecar.stop();
  expect(paths()).toEqual(new Set(topics.map((topic) => `/${topic}`)));
  expect(sidecar.output()).toMatch(/was retried [^\n]*--app-max-concurrency 1/);
});
