import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { APP, type Effects, inMemory, tallyOf } from "../harness/effects.ts";
import { newFolder } from "../harness/folder.ts";
import { ended, owned } from "../harness/process.ts";
import { expectOnce } from "./_once.ts";

const script = fileURLToPath(new URL("_queue-worker.ts", import.meta.url));
/** Messages that a worker has at most: its ten handlers, and what it claims ahead. */
const IN_HAND = 110;

interface WorkerOptions {
  readonly ms?: number;
  readonly concurrency?: number;
  readonly effects?: Effects;
  readonly env?: Readonly<Record<string, string>>;
}

interface Usage {
  readonly handled: number;
  readonly cpuMs: number;
  readonly rssMb: number;
}

const children: ChildProcess[] = [];
const runtimes: Runtime[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(runtimes.splice(0).map((runtime) => runtime.close()));
});

/** A file with a queue, workers on it, and their log. */
function bed(folder = newFolder("queue")) {
  const file = join(folder, "queue.db");
  const log = join(folder, "log");
  const components = { queue: sqlite.pubsub({ connectionString: file, consumerID: APP }) };
  const runtime = createRuntime({ id: "publisher", components, host: processHost("node") });
  runtimes.push(runtime);
  const publisher = runtime.blocks.pubsub("queue");
  const lines = () => (existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : []);
  return {
    file,
    publisher,
    /** What was begun or ended, in order, or a line for each that the inbox knew. */
    said: (word: "begun" | "ended" | "repeated") =>
      lines().flatMap((line) => (line.startsWith(word) ? [line.slice(word.length + 1)] : [])),
    async worker({ ms = 0, concurrency = 10, effects, env = {} }: WorkerOptions = {}) {
      const words = [file, log, String(ms), String(concurrency), JSON.stringify(effects) ?? ""];
      const child = owned(
        fork(script, words, {
          env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
        }),
      );
      children.push(child);
      await answer(child);
      return {
        child,
        usage: (word: "usage" | "everything" = "usage") => answer<Usage>(child, word),
        async stop() {
          const exited = new Promise((resolve) => child.once("exit", resolve));
          child.send("stop");
          expect(await exited).toBe(0);
        },
      };
    },
  };
}

function answer<T>(child: ChildProcess, question?: string): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as T));
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code}`)));
    if (question) child.send(question);
  });
}

async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms`);
    await sleep(25);
  }
}

const effectsIn = (connectionString: string, idempotent: boolean): Effects => ({
  type: "state.sqlite",
  options: { connectionString },
  idempotent,
});

const entries = (count: number, text = "") =>
  Array.from({ length: count }, (_, n) => ({ data: { number: n, text } }));

test("20,000 messages, a consumer killed five times in mid-handler: all handled, only what was in hand twice, and no effect twice", async () => {
  using folder = inMemory();
  const { publisher, said, worker, file } = bed(folder.path);
  const total = 20_000;
  const env = { PROCESSING_TIMEOUT: "500ms" };
  // Queue and state lie in one file, as they do by default.
  const effects = effectsIn(file, true);
  const first = await worker({ effects, env });
  await publisher.publishBulk("jobs", entries(total));
  let current = first;
  for (let kill = 1; kill <= 5; kill++) {
    await until(() => said("ended").length >= kill * 3000);
    await ended(current.child, "SIGKILL");
    // It fell in the middle: more were to come, and some were begun and not ended.
    expect(said("begun").length).toBeGreaterThan(said("ended").length);
    expect(new Set(said("ended")).size).toBeLessThan(total);
    current = await worker({ effects, env });
  }
  const database = new DatabaseSync(file);
  const left = () => database.prepare("SELECT count(*) AS n FROM pubsub_messages").get()?.n;
  await until(() => left() === 0);
  await current.stop();
  const all = said("ended");
  expect(new Set(all).size).toBe(total);
  expect(all.length - total).toBeLessThanOrEqual(5 * IN_HAND);
  expect(left()).toBe(0);
  const begun = said("begun").length;
  const repeated = said("repeated").length;
  const duplicates = all.length - total;
  process.stdout.write(`SQLite: ${JSON.stringify({ duplicates, begun, repeated })}\n`);
  expectOnce({ duplicates, begun, repeated, effects: await tallyOf(effects, total) }, total);
}, 120_000);

test("the control: without an inbox, one kill in mid-handler and some effects are there twice", async () => {
  const { publisher, said, worker, file } = bed();
  const total = 200;
  const options = {
    ms: 50,
    effects: effectsIn(file, false),
    env: { PROCESSING_TIMEOUT: "500ms" },
  };
  const first = await worker(options);
  await publisher.publishBulk("jobs", entries(total));
  await until(() => said("ended").length >= 50);
  await ended(first.child, "SIGKILL");
  const second = await worker(options);
  await until(() => new Set(said("ended")).size === total);
  await second.stop();
  const { missing, twice } = await tallyOf(options.effects, total + 1);
  expect(missing).toEqual([total]);
  expect(twice.length).toBeGreaterThan(0);
}, 60_000);

test("100,000 waiting messages and a slow handler: memory and what is in hand stay small", async () => {
  const { publisher, said, worker, file } = bed();
  await (await worker()).stop();
  await publisher.publishBulk("jobs", entries(100_000, "x".repeat(1000)));
  // What is written is moved into the file on the way, and not only when everybody has left.
  expect(statSync(`${file}-wal`).size / 2 ** 20).toBeLessThan(30);
  expect(statSync(file).size / 2 ** 20).toBeGreaterThan(100);
  const slow = await worker({ ms: 20, concurrency: 4 });
  await until(() => said("ended").length >= 20);
  const before = await slow.usage();
  await until(() => said("ended").length >= 400);
  const after = await slow.usage();
  const database = new DatabaseSync(file);
  const { n } = database
    .prepare("SELECT count(*) AS n FROM pubsub_deliveries WHERE lease IS NOT NULL")
    .get() as { n: number };
  expect(n).toBeGreaterThan(0);
  // Four handlers, and what they get through in the 50 ms ahead.
  expect(n).toBeLessThanOrEqual(4 + 25);
  expect(after.rssMb - before.rssMb).toBeLessThan(50);
  const everything = await slow.usage("everything");
  await slow.stop();
  expect(everything.rssMb - after.rssMb).toBeGreaterThan(50);
}, 120_000);

test("two processes share a queue: each message is handled once, and both have work", async () => {
  const { publisher, said, worker } = bed();
  const both = [await worker({ ms: 1 }), await worker({ ms: 1 })];
  await publisher.publishBulk("jobs", entries(4000));
  await until(() => said("ended").length >= 4000);
  const shares = await Promise.all(both.map(({ usage }) => usage()));
  await Promise.all(both.map(({ stop }) => stop()));
  expect(said("ended").length).toBe(4000);
  expect(new Set(said("ended")).size).toBe(4000);
  for (const { handled } of shares) expect(handled).toBeGreaterThan(400);
}, 60_000);

test("an idle process is woken by another's publish, also one whose timers never ring, and idles at no cost", async () => {
  const { publisher, said, worker } = bed();
  const idle = await worker({ env: { DEAF: "" } });
  for (let n = 0; n < 10; n++) {
    await publisher.publish("jobs", n);
    await until(() => said("ended").length === n + 1, 10_000);
  }
  await idle.stop();
  const other = await worker();
  const before = await other.usage();
  await sleep(4000);
  const after = await other.usage();
  await other.stop();
  expect(after.cpuMs - before.cpuMs).toBeLessThan(200);
}, 60_000);
