import type { Call } from "../../src/contracts/host.ts";
import { nobody } from "./_deadline.ts";
import { isReply } from "./_redis-failures.ts";
import type { Link } from "./_redis-link.ts";
import { evaluate, type Script, scriptOf } from "./_redis-scripts.ts";
import { giveScript, leaveScript, sweepScript, takeScript } from "./_redis-stream-scripts.ts";
import type { Client } from "./_redis-supply.ts";

/** A message as it stands in the stream. */
export interface Entry {
  readonly id: string;
  /** How often it was delivered, with this time. */
  readonly attempt: number;
  /** Names and values in turns. */
  readonly fields: readonly Buffer[];
}

/** What a consumer does with the pending messages of one topic. Repeating any of it does no harm. */
export interface Group {
  readonly topic: string;
  /** Makes the group, and with it the topic, where there is none: it begins with the oldest message that there is. */
  ensure(call?: Call): Promise<void>;
  ack(ids: readonly string[]): Promise<void>;
  /** Delivers messages again that are this consumer's own, or that were left alone for the whole lease. */
  take(ids: readonly string[]): Promise<Entry[]>;
  /** Begins their lease anew; resolves to those that are still this consumer's. */
  keep(ids: readonly string[]): Promise<string[]>;
  /**
   * Leaves each to whoever looks first after its delay, of which the server knows none that is longer than the lease;
   * `uncount` says that this delivery was none.
   */
  give(delays: Delays, uncount: boolean): Promise<void>;
  /** Ids that nobody touched for the whole lease, at most `limit`. */
  abandoned(limit: number): Promise<string[]>;
  /** Ids that this consumer has, at most `limit`, from the one after `after`. */
  own(after: string | undefined, limit: number): Promise<string[]>;
  /** Leaves all to the others, at once, and takes this consumer away. */
  leave(): Promise<void>;
  /** Takes consumers away that ended without stopping. */
  sweep(): Promise<void>;
}

/** Ids, and milliseconds. */
export type Delays = readonly (readonly [id: string, delay: number])[];

export interface Membership {
  readonly link: Link;
  readonly group: string;
  /** This process's name in the group. */
  readonly consumer: string;
  /** Milliseconds after which a message that is not acknowledged is anybody's. */
  readonly lease: number;
}

/** A consumer with nothing is taken away that was idle for so many leases. One that lives after all is made again by its next read. */
const SWEPT_LEASES = 60;

type Name = "take" | "give" | "leave" | "sweep";

export function groupOf(topic: string, { link, group, consumer, lease }: Membership): Group {
  let scripts: Readonly<Record<Name, Script>> | undefined;
  return {
    topic,
    ensure: (call = nobody) => run((client) => create(client, topic, group), call),
    ack: async (ids) => void (await run((client) => client.xack(topic, group, ...ids))),
    take: async (ids) => {
      const rows = await script("take", [String(lease), ...ids]);
      return (rows as [Buffer, number, Buffer[]][]).map(([id, attempt, fields]) => ({
        id: String(id),
        attempt,
        fields,
      }));
    },
    keep: async (ids) =>
      ((await script("give", [consumer, "0", ...ids.flatMap((id) => [id, "0"])])) as Buffer[]).map(
        String,
      ),
    give: async (delays, uncount) => {
      const idle = (delay: number) => String(Math.max(Math.ceil(lease - delay), 0));
      const words = delays.flatMap(([id, delay]) => [id, idle(delay)]);
      await script("give", [group, uncount ? "-1" : "0", ...words]);
    },
    abandoned: (limit) =>
      run(async (client) =>
        idsOf(await client.xpending(topic, group, "IDLE", lease, "-", "+", limit)),
      ),
    own: (after, limit) =>
      run(async (client) =>
        idsOf(await client.xpending(topic, group, after ? `(${after}` : "-", "+", limit, consumer)),
      ),
    leave: async () => void (await script("leave", [group, String(lease)])),
    sweep: async () => void (await script("sweep", [String(lease * SWEPT_LEASES)])),
  };

  /** As a read: what was done once and is done again, because the answer got lost, is the same. */
  function run<T>(work: (client: Client) => Promise<T>, call = nobody): Promise<T> {
    return link.run(call, "read", work);
  }

  function script(name: Name, args: readonly string[]): Promise<unknown> {
    scripts ??= {
      take: scriptOf(takeScript),
      give: scriptOf(giveScript),
      leave: scriptOf(leaveScript),
      sweep: scriptOf(sweepScript),
    };
    const { [name]: found } = scripts;
    const words = { keys: [topic], args: [group, consumer, ...args] };
    return run((client) => evaluate(client, found, words, "bytes"));
  }
}

async function create(client: Client, topic: string, group: string): Promise<void> {
  try {
    await client.xgroup("CREATE", topic, group, "0", "MKSTREAM");
  } catch (error) {
    if (!isReply(error) || !error.message.startsWith("BUSYGROUP")) throw error;
  }
}

function idsOf(rows: readonly unknown[]): string[] {
  return rows.map((row) => (row as readonly unknown[])[0] as string);
}
