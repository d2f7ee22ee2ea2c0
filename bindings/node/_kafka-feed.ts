import type { Clock } from "../../src/contracts/host.ts";
import type { SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { createLine, type Line } from "./_kafka-line.ts";

export interface FeedOptions {
  readonly limit: number;
  readonly clock: Clock;
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
  /** The line of a partition of which `committed` is committed; a new one where the last one cannot go on. */
  assign(partition: number, committed: number, from: number): Line;
  /** Starts as many handlers as may run. */
  pump(): void;
  /** Starts nothing any more, and waits for what runs. */
  stop(): Promise<void>;
}

export function createFeed(request: SubscribeRequest, options: FeedOptions): Feed {
  const { topic, concurrency, deliver } = request;
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
    assign(partition, committed, from) {
      const known = lines.get(partition);
      // Nobody else has gone on from where this process was: what it holds is still for it to handle.
      if (known && known.committed <= committed && committed <= known.done) {
        known.committed = committed;
        return known;
      }
      known?.lose();
      const line = createLine({ ...options, from, deliver, changed });
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
