import type { DatabaseSync } from "node:sqlite";
import type { Call, Host } from "../../src/contracts/host.ts";
import type { IncomingMessage, Outcome, OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { type Connection, connection, transact } from "./_sqlite.ts";
import { migrate, prepare, type Statements } from "./_sqlite-queue-table.ts";

/** Milliseconds that a lease is longer than what a handler gets of it: for waiting for the handler, and for acknowledging. */
export const SPARE_MS = 2000;
/** Expired messages that are removed at a time, and milliseconds between two times. */
const SWEEP = 1000;
const SWEEP_MS = 1000;

/** A delivery that is leased to a consumer of this process. */
export interface Claim {
  readonly message: number;
  readonly lease: string;
  /** When it was due before. */
  readonly due: number;
  readonly claimed: number;
  /** The end of the lease. */
  readonly until: number;
}

/** What became of a claim: `back` is for one that was not delivered. */
export interface Ended {
  readonly claim: Claim;
  readonly outcome: Outcome | { readonly is: "back" };
}

export interface Exchange {
  readonly claims: readonly Claim[];
  /** Milliseconds since the epoch at which the next one is due. */
  readonly due: number;
}

export interface QueueSettings {
  readonly connectionString: string;
  readonly busyTimeout: number;
  readonly disableWAL: boolean;
  readonly processingTimeout: number;
  readonly redeliverInterval: number;
}

/** The tables of a queue. Every method is one transaction, and waits while another process holds the file. */
export interface Queue {
  /** Opens the file, which can then be written. */
  look(call: Call): Promise<void>;
  /** The group's id. It is made if it is missing, and then gets what is published, whether a process runs or not. */
  join(topic: string, consumer: string, call: Call): Promise<number>;
  /** Makes the group, unless what is published to the topic is kept for somebody already. */
  keep(topic: string, consumer: string, call: Call): Promise<void>;
  /** Resolves to the groups that got them. */
  publish(topic: string, messages: readonly OutgoingMessage[], call: Call): Promise<Set<number>>;
  /** Writes what became of claims and leases up to `wanted` others. */
  exchange(group: number, ended: readonly Ended[], wanted: number, call: Call): Promise<Exchange>;
  /** The message of a claim, or undefined when its lease is lost. */
  read(group: number, claim: Claim, call: Call): Promise<IncomingMessage | undefined>;
  native(): DatabaseSync;
  close(): void;
}

export function openQueue(settings: QueueSettings, host: Host, name: string): Queue {
  const { clock, random } = host;
  let statements: Statements | undefined;
  let swept = 0;
  const file: Connection = connection(name, host, {
    connectionString: settings.connectionString,
    busyTimeoutMs: settings.busyTimeout,
    wal: !settings.disableWAL,
    prepare(database) {
      migrate(database, name);
      statements = prepare(database);
    },
  });

  return {
    look: (call) => file.run(call, () => void sql().probe.run()),

    join: (topic, consumer, call) =>
      file.run(call, () => {
        const prefix = topic.endsWith("*") ? topic.slice(0, -1) : null;
        return Number(sql().group.get(topic, consumer, prefix)?.id);
      }),

    keep: (topic, consumer, call) =>
      file.run(call, (database) =>
        transact(database, "IMMEDIATE", () => {
          if (sql().groups.all(topic).length === 0) sql().group.get(topic, consumer, null);
        }),
      ),

    publish: (topic, messages, call) =>
      file.run(call, (database) =>
        transact(database, "IMMEDIATE", () => {
          const now = clock.now();
          const groups = sql()
            .groups.all(topic)
            .map(({ id }) => Number(id));
          for (const message of messages) add(sql(), topic, message, groups, now);
          sweep(now);
          return new Set(groups);
        }),
      ),

    exchange: (group, ended, wanted, call) =>
      file.run(call, (database) => {
        const now = clock.now();
        // Looking takes no lock that others would wait for.
        if (ended.length === 0) {
          const due = nextDue(group);
          if (due > now && !mustSweep(now)) return { claims: [], due };
        }
        return transact(database, "IMMEDIATE", () => {
          for (const one of ended) write(group, one, now);
          sweep(now);
          const claims = claim(group, wanted, now);
          return { claims, due: nextDue(group) };
        });
      }),

    read: (group, claim, call) =>
      file.run(call, () => {
        const row = sql().read.get(claim.message, group, claim.lease);
        return row && toMessage(claim, row as unknown as Row);
      }),

    native: () => file.native(),
    close: () => file.close(),
  };

  function sql(): Statements {
    // `file.run` has opened the file and with it prepared the statements.
    return statements as Statements;
  }

  function nextDue(group: number): number {
    const due = sql().nextDue.get(group)?.due;
    return due === undefined ? Number.POSITIVE_INFINITY : Number(due);
  }

  function write(group: number, { claim, outcome }: Ended, now: number): void {
    // A lease that was lost matches nothing: the message is another's.
    const held = [claim.message, group, claim.lease] as const;
    if (outcome.is === "done") sql().done.run(...held);
    else if (outcome.is === "back") sql().back.run(claim.due, ...held);
    else sql().again.run(now + (outcome.delay ?? settings.redeliverInterval), ...held);
  }

  function claim(group: number, wanted: number, now: number): Claim[] {
    if (wanted === 0) return [];
    const lease = random.uuid();
    const until = now + settings.processingTimeout + SPARE_MS;
    const claims: Claim[] = [];
    for (const row of sql().due.all(group, now, wanted)) {
      const { message, due, expires } = row as unknown as DueRow;
      if (expires !== null && expires <= now) {
        sql().over.run(message, group);
        continue;
      }
      sql().lease.run(until, lease, message, group);
      claims.push({ message, lease, due, claimed: now, until });
    }
    return claims;
  }

  function mustSweep(now: number): boolean {
    return now - swept >= SWEEP_MS && sql().expired.get(now, 1) !== undefined;
  }

  /** A claim passes over what has expired; this removes what nobody claims. */
  function sweep(now: number): void {
    if (now - swept < SWEEP_MS) return;
    const expired = sql().expired.all(now, SWEEP) as unknown as ExpiredRow[];
    for (const { message, consumers } of expired) sql().over.run(message, consumers);
    if (expired.length < SWEEP) swept = now;
  }
}

interface DueRow {
  readonly message: number;
  readonly due: number;
  readonly expires: number | null;
}

interface ExpiredRow {
  readonly message: number;
  readonly consumers: number;
}

interface Row {
  readonly topic: string;
  readonly data: string | Uint8Array;
  readonly metadata: string | null;
  readonly attempt: number;
  readonly ordering_key: string | null;
}

function add(
  sql: Statements,
  topic: string,
  { data, metadata, ttl, delay, orderingKey }: OutgoingMessage,
  groups: readonly number[],
  now: number,
): void {
  // Nobody is to get it.
  if (groups.length === 0) return;
  const beside = Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata);
  const { lastInsertRowid } = sql.addMessage.run(topic, data, beside);
  const expires = ttl === undefined ? null : now + ttl;
  for (const group of groups) {
    sql.addDelivery.run(lastInsertRowid, group, now + (delay ?? 0), expires, orderingKey ?? null);
  }
}

function toMessage(
  { message }: Claim,
  { topic, data, metadata, attempt, ordering_key }: Row,
): IncomingMessage {
  return {
    id: String(message),
    topic,
    data,
    metadata: metadata === null ? {} : JSON.parse(metadata),
    attempt,
    orderingKey: ordering_key ?? undefined,
  };
}
