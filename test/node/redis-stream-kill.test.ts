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
import { newFolder } from "../harness/folder.ts";
import { ended, owned, started } from "../harness/process.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { newTopic, pending, settled } from "./_redis-stream-beds.ts";

const MESSAGES = 20_000;
const KILLS = 5;
const worker = fileURLToPath(new URL("_redis-stream-worker.ts", import.meta.url));
// What a server has acknowledged must be there after it was killed: it writes to its disk before it answers.
const kept = ["--appendonly", "yes", "--appendfsync", "always"];

const reason = absentRedis();
describe.skipIf(reason)(reason ? `redis (skipped: ${reason})` : "redis", () => {
  test("20,000 messages, a consumer killed five times and the server once: all are handled, repeats are few and counted", async () => {
    const server = await startRedis({ args: kept });
    const topic = newTopic();
    const file = join(newFolder("kill"), "handled");
    const runtime = createRuntime({
      id: "shop",
      components: { pubsub: pubsub({ redisHost: server.address }) },
      host: processHost("node"),
    });
    let consumer = await startWorker(server, topic, file);
    const lines = () => statSync(file).size / AVERAGE_LINE;
    const published = publishAll(runtime.blocks.pubsub("pubsub"), topic, lines);
    let inHand = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      await settled(() => expect(lines()).toBeGreaterThan((kill * MESSAGES) / (KILLS + 3)), 40_000);
      if (kill === 3) await crash(server);
      await ended(consumer, "SIGKILL");
      inHand += await pending(server.raw, topic);
      consumer = await startWorker(server, topic, file);
    }
    const repeatedByPublisher = await published;
    const handled = () => readFileSync(file, "utf8").trim().split("\n");
    await settled(async () => expect(await pending(server.raw, topic)).toBe(0), 40_000);
    await settled(() => expect(new Set(handled().map(numberOf)).size).toBe(MESSAGES), 40_000);
    await settled(async () => expect(await pending(server.raw, topic)).toBe(0), 40_000);
    await ended(consumer, "SIGTERM");
    const repeats = handled().length - MESSAGES;
    console.log(
      `handled again: ${repeats}; in hand at the kills: ${inHand}, published again: ${repeatedByPublisher}`,
    );
    expect(inHand).toBeGreaterThan(0);
    // Handled and not yet acknowledged at a kill, or published again because the server's end took its answer.
    expect(repeats).toBeLessThanOrEqual(inHand + repeatedByPublisher);
    // What came a second time says so.
    const later = handled().filter((line) => !line.endsWith(" 1")).length;
    expect(later).toBeGreaterThanOrEqual(repeats - repeatedByPublisher);
    await runtime.close();
    await server.stop();
  }, 120_000);
});

const AVERAGE_LINE = "12345 1\n".length - 0.5;
const numberOf = (line: string) => line.split(" ")[0];

async function startWorker({ address }: RedisServer, topic: string, file: string) {
  const child = owned(
    spawn(process.execPath, [worker, address, topic, file], {
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
      const entries = left.map((data) => ({ data, entryId: String(data) }));
      left = await publisher.publishBulk(topic, entries).then(
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
