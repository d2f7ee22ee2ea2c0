import type { Clock } from "../../src/contracts/host.ts";
import { inTime, nobody } from "./_deadline.ts";
import { isReply } from "./_redis-failures.ts";
import type { Line } from "./_redis-stream-line.ts";
import type { Client, Supply } from "./_redis-supply.ts";

/** Reads new messages for lines, all by one blocking command on a connection of its own. */
export interface Reader {
  add(line: Line): void;
  /** Resolves once nothing that is under way can bring it a message. */
  remove(line: Line): Promise<void>;
  /** Tells that a line has room. */
  nudge(line: Line): void;
  close(): void;
}

export interface ReaderOptions {
  readonly supply: Supply;
  readonly clock: Clock;
  readonly group: string;
  readonly consumer: string;
  /** Most messages of a topic in one read. */
  readonly depth: number;
  /** How long the server waits for a message before it answers that there is none. */
  readonly blockMs: number;
  /** How long an answer may take beyond that. */
  readonly answerMs: number;
  /** Makes the server answer a blocked connection at once; resolves to whether it was blocked. */
  readonly unblock: ((id: number) => Promise<boolean>) | undefined;
}

/** A read that the server has not answered. */
interface Reading {
  readonly lines: readonly Line[];
  readonly client: Client;
  readonly done: Promise<unknown>;
}

type Reply = readonly (readonly [
  topic: Buffer,
  entries: readonly (readonly [Buffer, Buffer[]])[],
])[];

const LONGEST_PAUSE_MS = 3000;
/** Before the server is asked once more to unblock a read that had not yet reached it. */
const UNBLOCK_AGAIN_MS = 5;

export function createReader(options: ReaderOptions): Reader {
  const { supply, clock, group, consumer, depth, blockMs, answerMs, unblock } = options;
  const lines = new Set<Line>();
  const ids = new WeakMap<Client, number>();
  /** Lines whose topic the server refuses to read, and when they are tried again: the others go on without them. */
  const sick = new Set<Line>();
  let cure = 0;
  let reading: Reading | undefined;
  let interrupting: Reading | undefined;
  let last: Client | undefined;
  let wake = (): void => undefined;
  /** There while it runs; aborted when it has nothing left to read for. */
  let ends: AbortController | undefined;

  return {
    add(line) {
      lines.add(line);
      if (!ends) void run();
      else nudge(line);
    },
    async remove(line) {
      lines.delete(line);
      sick.delete(line);
      wake();
      const current = reading?.lines.includes(line) ? reading : undefined;
      if (lines.size === 0 && !current) ends?.abort();
      if (!current) return;
      void interrupt(current);
      await current.done.catch(() => undefined);
    },
    nudge,
    close() {
      lines.clear();
      ends?.abort();
      wake();
      supply.close();
    },
  };

  function nudge(line: Line): void {
    if (!lines.has(line) || sick.has(line) || line.room() === 0) return;
    wake();
    if (reading && !reading.lines.includes(line)) void interrupt(reading);
  }

  async function run(): Promise<void> {
    const own = new AbortController();
    ends = own;
    let failures = 0;
    while (lines.size > 0 && !own.signal.aborted) {
      try {
        if (failures > 0 || (sick.size > 0 && clock.now() >= cure)) {
          await recover(failures, own.signal);
        }
        await turn(own.signal);
        failures = 0;
      } catch {
        failures++;
      }
    }
    ends = undefined;
    // A line may have come while the last one went.
    if (lines.size > 0) void run();
    else if (last) supply.drop(last);
  }

  /** At once at first, also because a group that is gone is no trouble of the server's. */
  async function recover(failures: number, signal: AbortSignal): Promise<void> {
    if (failures > 1) await clock.sleep(Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS), signal);
    const all = [...lines];
    const outcomes = await Promise.allSettled(all.map((line) => line.recover()));
    const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome] : []));
    sick.clear();
    if (failed[0] && failed.length === all.length) throw failed[0].reason;
    for (const [index, { status }] of outcomes.entries()) {
      if (status === "rejected") sick.add(all[index] as Line);
    }
    cure = clock.now() + LONGEST_PAUSE_MS;
  }

  async function turn(signal: AbortSignal): Promise<void> {
    const call = { ...nobody, signal };
    const client = supply.ready() ?? (await supply.connect(call));
    last = client;
    if (unblock && !ids.has(client)) {
      ids.set(client, await inTime(client.client("ID"), call, answerMs, late));
    }
    const wanted = [...lines].filter((line) => line.room() > 0 && !sick.has(line));
    if (wanted.length === 0) {
      await new Promise<void>((resolve) => (wake = resolve));
      return;
    }
    const current = { lines: wanted, client, done: read(client, wanted) };
    reading = current;
    try {
      await current.done;
    } finally {
      reading = undefined;
    }
  }

  async function read(client: Client, wanted: readonly Line[]): Promise<void> {
    const count = Math.min(depth, ...wanted.map((line) => line.room()));
    const topics = wanted.map(({ topic }) => topic);
    const words = [
      "GROUP",
      group,
      consumer,
      "COUNT",
      count,
      "BLOCK",
      blockMs,
      "STREAMS",
      ...topics,
    ];
    const sent = send(client, [...words, ...topics.map(() => ">")]);
    try {
      const reply = await inTime(sent, nobody, blockMs + answerMs, late);
      for (const [topic, found] of reply ?? []) {
        const entries = found.map(([id, fields]) => ({ id: String(id), attempt: 1, fields }));
        wanted.find((line) => line.topic === String(topic))?.accept(entries);
      }
    } catch (error) {
      // What it still answers would be delivered to nobody.
      if (!isReply(error) || !error.message.startsWith("NOGROUP")) supply.drop(client);
      throw error;
    }
  }

  async function interrupt(current: Reading): Promise<void> {
    const id = ids.get(current.client);
    if (!unblock || id === undefined || interrupting === current) return;
    interrupting = current;
    while (reading === current) {
      // Without an answer the read ends by itself.
      if (await unblock(id).catch(() => true)) return;
      await clock.sleep(UNBLOCK_AGAIN_MS);
    }
  }
}

function send(client: Client, words: readonly (string | number)[]): Promise<Reply | null> {
  // Its types know no list of topics.
  const { xreadgroupBuffer } = client as unknown as {
    xreadgroupBuffer(...words: readonly (string | number)[]): Promise<Reply | null>;
  };
  return xreadgroupBuffer.apply(client, words as (string | number)[]);
}

function late(): string {
  return "Redis did not answer in time";
}
