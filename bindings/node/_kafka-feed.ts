import type { Clock } from "../../src/contracts/host.ts";
import type { SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { createLedger, uncounted } from "./_kafka-ledger.ts";
import { createLine, type Line } from "./_kafka-line.ts";
import type { Position } from "./_kafka-positions.ts";

export interface FeedOptions {
  readonly limit: number;
  readonly clock: Clock;
  /** This process, in what it counts. */
  readonly mark: string;
  delay(attempt: number): number;
  /** Something ended: there may be more to start, and more to commit. */
  changed(): void;
}

/** One subscription: the lines of those partitions of its topic that this process has. */
export interface Feed {
  readonly topic: string;
  readonly lines: ReadonlyMap<number, Line>;
  /** Gives up every other partition. */
  retain(partitions: readonly number[]): void;
  /** The partition's line; a new one where the last one cannot go on. */
  assign(position: Position): Line;
  /** Starts as many handlers as may run, of this subscription. */
  pump(): void;
  /** Starts nothing any more, and waits for what runs. */
  stop(): Promise<void>;
}

export function createFeed(request: SubscribeRequest, options: FeedOptions): Feed {
  const { topic, concurrency, maxRetries, deliver } = request;
  const lines = new Map<number, Line>();
  let stopped = false;
  return {
    topic,
    lines,
    retain(partitions) {
      for (const [partition, line] of lines) {
        if (partitions.includes(partition)) continue;
        line.lose();
        lines.delete(partition);
      }
    },
    assign({ partition, committed, text, from, end }) {
      const known = lines.get(partition);
      // What it holds is still for it to handle.
      if (known?.continues(committed, text)) return known;
      known?.lose();
      // Later than `from` where the partition is a new one, in which nothing was handled yet.
      const base = Math.min(committed, from);
      const counted = { mark: options.mark, base, text, end, concurrency: concurrency ?? 1 };
      const ledger =
        maxRetries === undefined ? uncounted : createLedger({ ...counted, maxRetries });
      const line = createLine({ ...options, from, ledger, deliver });
      if (stopped) void line.stop();
      lines.set(partition, line);
      return line;
    },
    pump,
    async stop() {
      stopped = true;
      await Promise.all([...lines.values()].map((line) => line.stop()));
    },
  };

  function pump(): void {
    let room = concurrency ?? Number.POSITIVE_INFINITY;
    for (const line of lines.values()) room -= line.running;
    for (const [partition, line] of lines) {
      if (room <= 0 || !isFree()) return;
      // As Dapr does: one after the other in a partition.
      if (concurrency === undefined && line.running > 0) continue;
      if (!line.start()) continue;
      room--;
      // To the end, where this loop comes by again: the others first.
      lines.delete(partition);
      lines.set(partition, line);
    }
  }

  /** A commit brings one delivery where each message has only one: none that it names is left untried by what another does. */
  function isFree(): boolean {
    return maxRetries !== 0 || ![...lines.values()].some(({ asks }) => asks);
  }
}

/**
 * Starts as many handlers as may run. What may have ended other processes and has its last delivery is handed out with nothing
 * beside it, so that it takes none along that would have been given up unhandled.
 */
export function pumpAll(feeds: ReadonlyMap<string, Feed>): void {
  if (isSuspicious(feeds)) {
    if (some(feeds, ({ running }) => running > 0)) return;
    if (some(feeds, (line) => line.isSuspicious && line.start())) return;
  }
  for (const feed of feeds.values()) feed.pump();
}

export function isSuspicious(feeds: ReadonlyMap<string, Feed>): boolean {
  return some(feeds, (line) => line.isSuspicious);
}

export function isBehind(feeds: ReadonlyMap<string, Feed>): boolean {
  return some(feeds, (line) => line.behind);
}

function some(feeds: ReadonlyMap<string, Feed>, test: (line: Line) => boolean): boolean {
  for (const { lines } of feeds.values()) {
    for (const line of lines.values()) if (test(line)) return true;
  }
  return false;
}
