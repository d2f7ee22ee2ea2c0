import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { BulkEntry, Publisher } from "../../src/blocks/pubsub/api.ts";
import { ApiError } from "../../src/index.ts";
import { type Effects, inMemory, type Tally, tallyOf } from "./effects.ts";
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
  /** What its handlers do; nothing if absent. */
  readonly effects?: Effects | undefined;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ConsumerProcess {
  /** Numbers of which a delivery has begun and not ended. */
  readonly inHand: ReadonlySet<number>;
  /** How often each number was handled. */
  readonly done: ReadonlyMap<number, number>;
  /** Deliveries that have begun. */
  begun(): number;
  /** Deliveries of which the inbox said that it knows them. */
  repeated(): number;
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

/** A number to publish, as the same event each time. */
export function entryOf(number: number): BulkEntry<number> {
  const id = String(number);
  return { data: number, entryId: id, cloudEvent: { id } };
}

/** Resolves once the process is subscribed. */
export async function startConsumer(what: Consumption): Promise<ConsumerProcess> {
  const { env, ...consumption } = what;
  const script = join(root, "test/node/_consumer.ts");
  const child: ChildProcess = owned(
    spawn(process.execPath, [script, JSON.stringify(consumption)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    }),
  );
  const inHand = new Set<number>();
  const done = new Map<number, number>();
  let begun = 0;
  let repeated = 0;
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors = (errors + chunk).slice(-4000);
  });
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (line === "ready") return resolve();
      const [sign] = line;
      const number = Number(line.slice(1));
      if (sign === "+") {
        begun++;
        inHand.add(number);
      } else if (sign === "=") {
        repeated++;
      } else {
        inHand.delete(number);
        if (sign === "-") done.set(number, (done.get(number) ?? 0) + 1);
      }
    });
  });
  await started(child, () => errors, ready);
  return {
    inHand,
    done,
    begun: () => begun,
    repeated: () => repeated,
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
  /** Numbers that were not handled. */
  readonly missing: readonly number[];
  /** Deliveries that were handled beyond the first of their number, by the handler or because the inbox knew them. */
  readonly duplicates: number;
  /** Deliveries that began. */
  readonly begun: number;
  /** Those that the inbox knew. */
  readonly repeated: number;
  /** Of the handlers, behind their inbox. */
  readonly effects: Tally;
  /** Of each kill: how many deliveries it cut off. */
  readonly cut: readonly number[];
  /** Publishes that failed and were made again. */
  readonly again: number;
}

/**
 * Publishes the numbers below `count` while two processes consume them, idempotent, with their effects in a SQLite file;
 * kills one of them five times, each when so many more are handled, and restarts the broker once in between.
 */
export async function killRun(
  consumption: Consumption,
  publisher: Publisher,
  count: number,
  restart: () => Promise<void>,
): Promise<KillResult> {
  using folder = inMemory();
  const connectionString = join(folder.path, "state.db");
  const effects: Effects = {
    type: "state.sqlite",
    options: { connectionString },
    idempotent: true,
  };
  const what = { ...consumption, effects };
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
    const [one, two] = living as [ConsumerProcess, ConsumerProcess];
    const victim = await (cut.length % 2 === 0 ? victimOf(one, two) : victimOf(two, one));
    await victim.kill();
    // What its pipe still held has been read once the process is gone and a turn is over.
    await sleep(50);
    cut.push(victim.inHand.size);
    const next = await startConsumer(what);
    all.push(next);
    living[living.indexOf(victim)] = next;
  }
  const again = await publishing;
  await reached(all, count);
  // What is unhandled now is in hand somewhere, or comes again once its lease is over.
  const end = Date.now() + 20_000;
  while (all.some((one) => living.includes(one) && one.inHand.size > 0) && Date.now() < end) {
    await sleep(50);
  }
  await Promise.all(living.map((one) => one.stop()));
  return { ...deliveries(all, count), effects: await tallyOf(effects, count), cut, again };
}

/**
 * The first, once it has something in hand, or a run with no kill in mid-handler tells that it stands still. A newcomer may
 * get nothing before the other has handled it all: then it is the other.
 */
async function victimOf(first: ConsumerProcess, other: ConsumerProcess): Promise<ConsumerProcess> {
  for (let turn = 0; turn < 200; turn++) {
    if (first.inHand.size > 0) return first;
    if (first.begun() === 0 && other.inHand.size > 0) return other;
    await sleep(50);
  }
  return first;
}

function deliveries(all: readonly ConsumerProcess[], count: number) {
  const times = new Map<number, number>();
  for (const { done } of all) {
    for (const [number, often] of done) times.set(number, (times.get(number) ?? 0) + often);
  }
  const numbers = Array.from({ length: count }, (_, number) => number);
  const missing = numbers.filter((number) => !times.has(number));
  const ends = [...times.values()].reduce((sum, often) => sum + often, 0);
  const sum = (of: (one: ConsumerProcess) => number) =>
    all.reduce((total, one) => total + of(one), 0);
  return {
    missing,
    duplicates: ends - times.size,
    begun: sum((one) => one.begun()),
    repeated: sum((one) => one.repeated()),
  };
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
      const failures = await publisher.publishBulk(topic, numbers.map(entryOf)).then(
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
