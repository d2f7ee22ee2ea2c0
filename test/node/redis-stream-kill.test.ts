import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { pubsub } from "../../bindings/node/redis.ts";
import { ApiError, type Publisher } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { entryOf } from "../harness/consumers.ts";
import { APP, type Effects, inMemory, tallyOf } from "../harness/effects.ts";
import { newFolder } from "../harness/folder.ts";
import { ended, owned, started } from "../harness/process.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { expectOnce } from "./_once.ts";
import { newTopic, pending, settled } from "./_redis-stream-beds.ts";
import type { Told } from "./_work.ts";

type Log = Told["is"];

const MESSAGES = 20_000;
const KILLS = 5;
const worker = fileURLToPath(new URL("_redis-stream-worker.ts", import.meta.url));
// What a server has acknowledged must be there after it was killed: it writes before it answers.
const kept = ["--appendonly", "yes", "--appendfsync", "always"];

const reason = absentRedis();
describe.skipIf(reason)(reason ? `redis (skipped: ${reason})` : "redis", () => {
  test("20,000 messages, a consumer killed five times and the server once: all are handled, repeats are few and counted, and have no effects", async () => {
    using memory = inMemory();
    await using bed = await startBed([...kept, "--dir", memory.path], true);
    const { server, topic, publisher, logged } = bed;
    let consumer = await bed.startWorker();
    const lines = () => bed.bytes("handled") / AVERAGE_LINE;
    const published = publishAll(publisher, topic, lines);
    let inHand = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      await settled(() => expect(lines()).toBeGreaterThan((kill * MESSAGES) / (KILLS + 3)), 40_000);
      if (kill === 3) await crash(server);
      await ended(consumer, "SIGKILL");
      inHand += await pending(server.raw, topic);
      consumer = await bed.startWorker();
    }
    const repeatedByPublisher = await published;
    await settled(async () => expect(await pending(server.raw, topic)).toBe(0), 40_000);
    await settled(() => expect(different(logged("handled"))).toBe(MESSAGES), 40_000);
    await settled(async () => expect(await pending(server.raw, topic)).toBe(0), 40_000);
    await ended(consumer, "SIGTERM");
    const handled = logged("handled");
    const repeats = handled.length - MESSAGES;
    const begun = logged("begun").length;
    const cut = begun - handled.length - logged("failed").length;
    const repeated = logged("repeated").length;
    const again = repeatedByPublisher;
    process.stdout.write(
      `Redis: ${JSON.stringify({ repeats, begun, repeated, cut, inHand, again })}\n`,
    );
    expect(cut).toBeGreaterThan(0);
    expect(inHand).toBeGreaterThan(0);
    // Handled and not yet acknowledged at a kill, or published again because the server's end took its answer.
    expect(repeats).toBeLessThanOrEqual(inHand + repeatedByPublisher);
    // What came a second time says so.
    const later = handled.filter((line) => !line.endsWith(" 1")).length;
    expect(later).toBeGreaterThanOrEqual(repeats - repeatedByPublisher);
    const effects = await tallyOf(bed.effects, MESSAGES);
    expectOnce({ begun, duplicates: repeats, repeated, effects }, MESSAGES);
  }, 120_000);

  test("the control: without an inbox, one kill in mid-handler and some effects are there twice", async () => {
    const count = 3000;
    await using bed = await startBed([], false);
    const first = await bed.startWorker();
    const numbers = Array.from({ length: count }, (_, number) => number);
    await bed.publisher.publishBulk(bed.topic, numbers.map(entryOf));
    await settled(() => expect(bed.logged("handled").length).toBeGreaterThan(200));
    await ended(first, "SIGKILL");
    const second = await bed.startWorker();
    await settled(() => expect(different(bed.logged("handled"))).toBe(count));
    await ended(second, "SIGTERM");
    const { missing, twice } = await tallyOf(bed.effects, count + 1);
    expect(missing).toEqual([count]);
    expect(twice.length).toBeGreaterThan(0);
  }, 60_000);
});

const AVERAGE_LINE = "12345 1\n".length - 0.5;

/** Of lines with a number each. */
const different = (lines: readonly string[]) =>
  new Set(lines.map((line) => line.split(" ")[0])).size;

/** A server, a publisher, and what workers need and log. */
async function startBed(args: readonly string[], idempotent: boolean) {
  const server = await startRedis({ args });
  const { address: redisHost } = server;
  const topic = newTopic();
  const folder = newFolder("kill");
  const file = (log: Log) => join(folder, log);
  const components = { pubsub: pubsub({ redisHost }) };
  const runtime = createRuntime({ id: APP, components, host: processHost("node") });
  const effects: Effects = { type: "state.redis", options: { redisHost }, idempotent };
  return {
    server,
    topic,
    publisher: runtime.blocks.pubsub("pubsub"),
    effects,
    startWorker: () => startWorker([redisHost, topic, folder, JSON.stringify(effects)]),
    bytes: (log: Log) => statSync(file(log)).size,
    logged: (log: Log) => readFileSync(file(log), "utf8").split("\n").slice(0, -1),
    async [Symbol.asyncDispose]() {
      await runtime.close();
      await server.stop();
    },
  };
}

async function startWorker(words: readonly string[]) {
  const child = owned(
    spawn(process.execPath, [worker, ...words], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    }),
  );
  const ready = new Promise((resolve) => child.stdout.once("data", resolve));
  await started(child, () => "", ready);
  return child;
}

/** SIGKILL, and a start with what is on the disk. */
async function crash(server: RedisServer): Promise<void> {
  process.kill(server.pid, "SIGKILL");
  await server.halt();
  await sleep(300);
  await server.start();
}

/** A little ahead of the consumer, and again whatever was not acknowledged: answers how many may be there twice. */
async function publishAll(
  publisher: Publisher,
  topic: string,
  handled: () => number,
): Promise<number> {
  let again = 0;
  for (let at = 0; at < MESSAGES; at += 250) {
    while (handled() + 2000 < at) await sleep(5);
    let left = Array.from({ length: 250 }, (_, index) => at + index);
    while (left.length > 0) {
      left = await publisher.publishBulk(topic, left.map(entryOf)).then(
        () => [],
        (error: unknown) => {
          if (!ApiError.is(error)) throw error;
          return (error.failures ?? []).map(({ key }) => Number(key));
        },
      );
      again += left.length;
    }
  }
  return again;
}
