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
  /** Something may be committed. */
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
  /** Starts as many handlers as may run. */
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
    assign({ partition, committed, text, from }) {
      const known = lines.get(partition);
      // What it holds is still for it to handle.
      if (known?.continues(committed, text)) return known;
      known?.lose();
      const ledger =
        maxRetries === undefined
          ? uncounted
          : createLedger({ committed, text, mark: options.mark, concurrency: concurrency ?? 1 });
      const line = createLine({ ...options, from, ledger, deliver, changed });
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

  function changed(): void {
    pump();
    options.changed();
  }

  function pump(): void {
    if (concurrency === undefined) {
      // As Dapr does: one after the other in a partition.
      for (const line of lines.values()) if (line.running === 0) line.start();
      return;
    }
    let room = concurrency;
    for (const line of lines.values()) room -= line.running;
    for (const [partition, line] of lines) {
      if (room <= 0) return;
      if (!line.start()) continue;
      room--;
      // To the end, where this loop comes by again: the others first.
      lines.delete(partition);
      lines.set(partition, line);
    }
  }
}
