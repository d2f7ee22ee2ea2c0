import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Publisher } from "../../src/blocks/pubsub/api.ts";
import { ApiError } from "../../src/index.ts";
import { root } from "./folder.ts";
import { ended, owned, started } from "./process.ts";

/** What a process of its own consumes, and how. */
export interface Consumption {
  readonly type: string;
  readonly options: object;
  readonly topic: string;
  /** Handlers at a time, and the milliseconds that each takes. */
  readonly concurrency: number;
  readonly ms: number;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ConsumerProcess {
  /** Numbers whose handler has begun and not ended. */
  readonly inHand: ReadonlySet<number>;
  /** How often the handler of each number has ended. */
  readonly done: ReadonlyMap<number, number>;
  /** Bytes that the process holds. */
  memory(): number;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; rejects when the process does not end by itself. */
  stop(): Promise<void>;
}

/** An event of 1 KB, as a publisher of another make would write it. */
export function eventOf(number: number) {
  return {
    specversion: "1.0",
    id: `e-${number}`,
    source: "test",
    type: "t",
    data: { number, text: "x".repeat(900) },
  };
}

/** Resolves once the process is subscribed. */
export async function startConsumer(what: Consumption): Promise<ConsumerProcess> {
  const { type, options, topic, concurrency, ms, env } = what;
  const script = join(root, "test/node/_consumer.ts");
  const words = [type, JSON.stringify(options), topic, String(concurrency), String(ms)];
  const child: ChildProcess = owned(
    spawn(process.execPath, [script, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    }),
  );
  const inHand = new Set<number>();
  const done = new Map<number, number>();
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors = (errors + chunk).slice(-4000);
  });
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (line === "ready") return resolve();
      const number = Number(line.slice(1));
      if (line.startsWith("+")) {
        inHand.add(number);
        return;
      }
      inHand.delete(number);
      done.set(number, (done.get(number) ?? 0) + 1);
    });
  });
  await started(child, () => errors, ready);
  return {
    inHand,
    done,
    memory: () =>
      1024 *
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]),
    kill: () => ended(child, "SIGKILL"),
    async stop() {
      await ended(child, "SIGTERM");
      if (child.exitCode !== 0) throw new Error(`the process did not end by itself: ${errors}`);
    },
  };
}

export interface KillResult {
  /** Numbers that no handler ended with. */
  readonly missing: readonly number[];
  /** Handlers that ended beyond the first for their number. */
  readonly duplicates: number;
  /** Of each kill: how many handlers it cut off. */
  readonly cut: readonly number[];
  /** Publishes that failed and were made again. */
  readonly again: number;
}

/**
 * Publishes the numbers below `count` while two processes consume them; kills one of them five times, each when so many more
 * are handled, and restarts the broker once in between.
 */
export async function killRun(
  what: Consumption,
  publisher: Publisher,
  count: number,
  restart: () => Promise<void>,
): Promise<KillResult> {
  const living = await Promise.all([startConsumer(what), startConsumer(what)]);
  const all = [...living];
  const cut: number[] = [];
  const publishing = publishAll(publisher, what.topic, count);
  for (const part of [0.1, 0.25, 0.4, "restart", 0.6, 0.8] as const) {
    if (part === "restart") {
      await restart();
      continue;
    }
    await reached(all, part * count);
    const victim = living[cut.length % 2] as ConsumerProcess;
    // After a restart it may have nothing yet.
    for (let turn = 0; turn < 200 && victim.inHand.size === 0; turn++) await sleep(50);
    await victim.kill();
    // What its pipe still held has been read once the process is gone and a turn is over.
    await sleep(50);
    cut.push(victim.inHand.size);
    const next = await startConsumer(what);
    all.push(next);
    living[(cut.length - 1) % 2] = next;
  }
  const again = await publishing;
  await reached(all, count);
  // What is unhandled now is in hand somewhere, or comes again once its lease is over.
  const end = Date.now() + 20_000;
  while (all.some((one) => living.includes(one) && one.inHand.size > 0) && Date.now() < end) {
    await sleep(50);
  }
  await Promise.all(living.map((one) => one.stop()));
  return { ...tally(all, count), cut, again };
}

function tally(all: readonly ConsumerProcess[], count: number) {
  const times = new Map<number, number>();
  for (const { done } of all) {
    for (const [number, often] of done) times.set(number, (times.get(number) ?? 0) + often);
  }
  const numbers = Array.from({ length: count }, (_, number) => number);
  const missing = numbers.filter((number) => !times.has(number));
  const ends = [...times.values()].reduce((sum, often) => sum + often, 0);
  return { missing, duplicates: ends - times.size };
}

/** Waits until so many different numbers are handled. */
async function reached(all: readonly ConsumerProcess[], count: number): Promise<void> {
  const end = Date.now() + 80_000;
  for (;;) {
    const numbers = new Set(all.flatMap(({ done }) => [...done.keys()]));
    if (numbers.size >= count) return;
    if (Date.now() > end) throw new Error(`${numbers.size} of ${count} are handled`);
    await sleep(50);
  }
}

/** Publishes every number, again where it failed; resolves to how many failed. */
async function publishAll(publisher: Publisher, topic: string, count: number): Promise<number> {
  const PART = 500;
  let failed = 0;
  for (let first = 0; first < count; first += PART) {
    const length = Math.min(PART, count - first);
    let numbers = Array.from({ length }, (_, index) => first + index);
    while (numbers.length > 0) {
      const entries = numbers.map((data) => ({ data, entryId: String(data) }));
      const failures = await publisher.publishBulk(topic, entries).then(
        () => [],
        (error: unknown) => {
          if (!ApiError.is(error, "unavailable")) throw error;
          return error.failures.map(({ key }) => Number(key));
        },
      );
      failed += failures.length;
      numbers = failures;
      if (numbers.length > 0) await sleep(100);
    }
  }
  return failed;
}
