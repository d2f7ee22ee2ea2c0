import type { IPublishPacket, MqttClient } from "mqtt";
import { messageOf } from "../../src/errors.ts";
import { config } from "./_config.ts";
import { farewell, inTime, nobody } from "./_deadline.ts";

/** A message that the broker has sent and not had acknowledged. */
export interface Held {
  readonly packet: IPublishPacket;
  /** Deliveries that have begun, by whichever process, as far as it can be known. */
  begun: number;
  /** How many have by the record; undefined until it was looked up there. */
  recorded: number | undefined;
  /** What tells it from another that has its number later; made when it is wanted. */
  print: string | undefined;
}

/**
 * Counts deliveries over the processes of one client id, in a message that the broker retains: what its session still holds,
 * with how often handlers were given it. The numbers of messages stay what they are as long as a session has them. A message
 * that the broker sends again and the record does not name was in a process's hands once, or in nobody's when the last
 * one took its leave.
 */
export interface Attempts {
  /** Learns what the last process wrote. `resumed` tells whether the broker has kept the session. Once, until `end`. */
  load(resumed: () => Promise<boolean>): Promise<void>;
  /** Whether what the last process wrote is not known yet. */
  readonly loading: boolean;
  /** The broker has sent a message that is not in this process. */
  came(one: Held): void;
  /** Resolves once the next delivery of a message is on record; undefined where it may begin at once. Never rejects. */
  claim(one: Held): Promise<void> | undefined;
  /** No handler of this process will have it; the broker will send it again. */
  leave(one: Held): void;
  /** It was acknowledged: resolves once the record is rid of it, undefined where it never was there. */
  settled(one: Held): Promise<void> | undefined;
  /** The broker has let this client in again. */
  reconnected(resumed: boolean): void;
  /** Takes leave: what no handler was given will not count. */
  end(): Promise<void>;
}

export interface AttemptsOptions {
  readonly component: string;
  /** Where the record is. */
  readonly topic: string;
  held(): Iterable<Held>;
  /** A client that reads whatever comes. */
  reader(): Promise<MqttClient>;
  /** Publishes the record behind every acknowledgement that was sent, and waits for the broker's answer. */
  write(text: string): Promise<unknown>;
}

/** Deliveries that have begun, and the message's print. */
type Line = readonly [begun: number, print: string];

interface Kept {
  /** Deliveries of messages that are not listed. */
  readonly others: number;
  readonly begun: Readonly<Record<string, Line>>;
}

const nothing: Kept = { others: 1, begun: {} };

/** Milliseconds that the broker has to send a record back. */
const WAIT_MS = 3000;
const LEAVE_MS = 2000;

export function createAttempts(options: AttemptsOptions): Attempts {
  const { component, topic, held, reader, write } = options;
  /** What is in no hands here, by number. */
  const left = new Map<number, Line>();
  let { others } = nothing;
  let loading: Promise<void> | undefined;
  let state: "unknown" | "known" | "counting" = "unknown";
  /** Came before anything was known. */
  let early: Held[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    load(resumed) {
      loading ??= load(resumed).catch((error: unknown) => {
        forget();
        throw error;
      });
      return loading;
    },

    get loading() {
      return loading !== undefined && state !== "counting";
    },

    came(one) {
      if (state !== "unknown") lookUp(one);
      else if (loading) early.push(one);
    },

    claim(one) {
      if (one.packet.qos === 0) return undefined;
      return state === "counting" ? count(one) : loading?.then(() => count(one), ignore);
    },

    leave(one) {
      if (one.recorded !== undefined) left.set(numberOf(one), [one.begun, printOf(one)]);
    },

    settled(one) {
      const { recorded = nothing.others } = one;
      left.delete(numberOf(one));
      return state === "counting" && recorded !== nothing.others ? save() : undefined;
    },

    reconnected(resumed) {
      if (state !== "counting") return;
      others = nothing.others;
      if (!resumed) left.clear();
      // Another process may have had the session in between, and taken its leave.
      void save();
    },

    async end() {
      await loading?.catch(ignore);
      if (state === "counting") {
        const leaving = last.then(() => write(record(0, "begun")));
        await farewell(leaving, LEAVE_MS);
      }
      forget();
    },
  };

  function forget(): void {
    loading = undefined;
    state = "unknown";
    others = nothing.others;
    early = [];
    left.clear();
  }

  async function load(resumed: () => Promise<boolean>): Promise<void> {
    const known = await resumed();
    const client = await reader();
    const heard = hear(client, topic);
    try {
      await client.subscribeAsync(topic, { qos: 1 }).catch(refused);
      // Every session that was counted has one.
      const kept = known ? parsed(await heard.find(({ retain }) => retain)) : nothing;
      others = kept.others;
      for (const [number, line] of Object.entries(kept.begun)) left.set(Number(number), line);
      state = "known";
      for (const one of early.splice(0)) lookUp(one);
      const text = record(nothing.others, "recorded");
      // Without an answer, or the driver would send what is refused on each further connection.
      await client.publishAsync(topic, text, { qos: 0, retain: true });
      const echo = await heard.find(({ retain, payload }) => !retain && String(payload) === text);
      if (!echo) refused("it did not come back");
      await client.publishAsync(topic, text, { qos: 1, retain: true });
    } finally {
      heard.end();
      client.unsubscribeAsync(topic).catch(ignore);
    }
    state = "counting";
  }

  function refused(cause: unknown): never {
    throw config(
      component,
      `maxRetries needs a retained message at ${topic} (${messageOf(cause)}): let the user read and write there, or set attemptsTopic to where it may`,
    );
  }

  function count(one: Held): Promise<void> | undefined {
    const number = one.begun + 1;
    if (one.recorded === number) return undefined;
    one.recorded = number;
    return save();
  }

  function lookUp(one: Held): void {
    const number = numberOf(one);
    const [begun, print] = left.get(number) ?? [];
    left.delete(number);
    const listed = print !== undefined && print === printOf(one) ? begun : undefined;
    const { dup } = one.packet;
    one.recorded = listed ?? (dup ? others : nothing.others);
    one.begun += dup ? one.recorded : 0;
  }

  /**
   * Resolves once the broker was told what is so now. Where it refuses, a message is handled all the same, and the next
   * process knows less.
   */
  function save(): Promise<void> {
    next ??= last.then(async () => {
      next = undefined;
      last = write(record(nothing.others, "recorded")).catch(ignore);
      await last;
    });
    return next;
  }

  function record(unlisted: number, count: "begun" | "recorded"): string {
    const begun: Record<number, Line> = Object.fromEntries(left);
    for (const one of held()) {
      // Until it was looked up, what the last process wrote of it stands.
      if (one.recorded === undefined) continue;
      const number = one[count] ?? unlisted;
      if (number === unlisted) delete begun[numberOf(one)];
      else begun[numberOf(one)] = [number, printOf(one)];
    }
    return JSON.stringify({ others: unlisted, begun } satisfies Kept);
  }
}

function ignore(): void {}

function numberOf({ packet: { messageId = 0 } }: Held): number {
  return messageId;
}

function printOf(one: Held): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const { topic, payload } = one.packet;
  one.print ??= createHash("sha1").update(`${topic}\0`).update(payload).digest("base64url");
  return one.print;
}

function parsed(packet: IPublishPacket | undefined): Kept {
  try {
    return packet ? JSON.parse(String(packet.payload)) : nothing;
  } catch {
    return nothing;
  }
}

/** What comes to a topic from now on. */
function hear(client: MqttClient, topic: string) {
  const heard: IPublishPacket[] = [];
  let look = ignore;
  client.on("message", take);
  return {
    /** Undefined where none comes in time. */
    find(wanted: (packet: IPublishPacket) => boolean): Promise<IPublishPacket | undefined> {
      const found = new Promise<IPublishPacket>((resolve) => {
        look = () => {
          const packet = heard.find(wanted);
          if (packet) resolve(packet);
        };
      });
      look();
      return inTime(found, nobody, WAIT_MS, () => "").catch(() => undefined);
    },
    end: () => void client.off("message", take),
  };

  function take(name: string, _payload: unknown, packet: IPublishPacket): void {
    if (name !== topic) return;
    heard.push(packet);
    look();
  }
}
