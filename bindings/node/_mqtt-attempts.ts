import type { IPublishPacket, MqttClient } from "mqtt";
import { ComponentError, messageOf } from "../../src/errors.ts";
import { config } from "./_config.ts";
import { farewell } from "./_deadline.ts";
import { type Heard, hear } from "./_mqtt-hear.ts";
import { type Kept, type Line, parsed, textOf } from "./_mqtt-record.ts";

/** A message that the broker has sent and not had acknowledged. */
export interface Held {
  readonly packet: IPublishPacket;
  /** Deliveries that have begun, by whichever process, as far as it can be known. */
  begun: number;
  /** Whether a process that ended had it in hand, as far as it can be known. */
  suspect: boolean;
  /** How many have by the record; undefined until it was looked up there. */
  recorded: number | undefined;
  /** What tells it from another that has its number later; made when it is wanted. */
  print: string | undefined;
}

/** What the broker said when it let the client in. */
export interface Session {
  /** Whether it had kept it. */
  readonly resumed: boolean;
  /** Whether it retains messages. */
  readonly retains: boolean;
}

/**
 * Counts deliveries over the processes of one client id, in a message that the broker retains: what its session still holds,
 * with how often handlers were given it. The numbers of messages stay what they are as long as a session has them. A message
 * that the broker sends again and the record does not name was in a process's hands once, or in nobody's when the last
 * one took its leave.
 */
export interface Attempts {
  /**
   * Learns what the last process wrote. Once, until `end`. `each`: every first delivery is on record before it begins, so that
   * what only waited when the process ended is not counted.
   */
  load(session: () => Promise<Session>, each: boolean): Promise<void>;
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

const LEAVE_MS = 2000;

export function createAttempts(options: AttemptsOptions): Attempts {
  const { component, topic, held, reader, write } = options;
  /** What is in no hands here, by number. */
  const left = new Map<number, Line>();
  /** Deliveries of what this process does not list. */
  let unlisted: Kept["others"] = 1;
  /** Of what the broker sends again, and no list has. */
  let others: Kept["others"] = 1;
  let loading: Promise<void> | undefined;
  let state: "unknown" | "known" | "counting" = "unknown";
  /** Came and was left before anything was known, by number. */
  const early = new Map<number, Held>();
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    async load(session, each) {
      const late = each && unlisted === 1 && loading !== undefined;
      if (each) unlisted = 0;
      loading ??= load(session).catch((error: unknown) => {
        forget();
        throw error;
      });
      await loading;
      if (late) await save();
    },

    get loading() {
      return loading !== undefined && state !== "counting";
    },

    came(one) {
      early.delete(numberOf(one));
      if (state !== "unknown") lookUp(one);
    },

    claim(one) {
      if (one.packet.qos === 0) return undefined;
      return state === "counting" ? count(one) : undefined;
    },

    leave,

    settled(one) {
      const { recorded = unlisted } = one;
      left.delete(numberOf(one));
      return state === "counting" && recorded !== unlisted ? save() : undefined;
    },

    reconnected(resumed) {
      if (!resumed) {
        left.clear();
        early.clear();
      }
      if (state !== "counting") return;
      others = unlisted;
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
    unlisted = 1;
    others = unlisted;
    early.clear();
    left.clear();
  }

  async function load(session: () => Promise<Session>): Promise<void> {
    const { resumed, retains } = await session();
    if (!retains) throw config(component, "maxRetries needs a broker that retains messages");
    // Every session that was counted has one.
    const packet = resumed ? await lookBack() : undefined;
    const kept = packet && parsed(packet);
    others = kept?.others ?? unlisted;
    for (const [number, line] of Object.entries(kept?.begun ?? {})) left.set(Number(number), line);
    state = "known";
    catchUp();
    // By 3.1.1 a broker may answer what it refuses by hanging up; once may be chance.
    if (!(await announce()) && !(await announce())) refused("the broker hangs up");
    state = "counting";
  }

  /** With what came before the record. */
  function catchUp(): void {
    for (const one of held()) if (one.recorded === undefined) lookUp(one);
    for (const one of early.values()) {
      lookUp(one);
      leave(one);
    }
    early.clear();
  }

  function leave(one: Held): void {
    if (one.recorded !== undefined) left.set(numberOf(one), [one.begun, printOf(one)]);
    else if (loading) early.set(numberOf(one), one);
  }

  function lookBack(): Promise<IPublishPacket | undefined> {
    return listen(async (_client, heard) => {
      const packet = await heard.find(({ retain }) => retain);
      if (!packet && heard.lost) throw lost();
      return packet;
    });
  }

  /** Writes the first record; false where the connection was lost with it. */
  function announce(): Promise<boolean> {
    return listen(async (client, heard) => {
      const text = record(unlisted, "recorded");
      // Without an answer, or the driver would send what is refused on each further connection.
      client.publishAsync(topic, text, { qos: 0, retain: true }).catch(ignore);
      const echo = await heard.find(({ retain, payload }) => !retain && String(payload) === text);
      if (!echo && !heard.lost) refused("it did not come back");
      if (echo)
        await farewell(client.publishAsync(topic, text, { qos: 1, retain: true }), LEAVE_MS);
      return echo !== undefined;
    });
  }

  async function listen<T>(work: (client: MqttClient, heard: Heard) => Promise<T>): Promise<T> {
    const client = await reader();
    const heard = hear(client, topic);
    try {
      await client.subscribeAsync(topic, { qos: 1 }).catch(unsubscribed);
      return await work(client, heard);
    } finally {
      heard.end();
      client.unsubscribeAsync(topic).catch(ignore);
    }
  }

  function lost(): ComponentError {
    const problem = `the connection was lost before the deliveries at ${topic} were known`;
    return new ComponentError("unavailable", `component ${component}: ${problem}`);
  }

  /** The broker's answer comes with the error, and none when the connection is lost. */
  function unsubscribed(error: Error & { readonly packet?: unknown }): never {
    if (error.packet) refused(error);
    throw lost();
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
    one.recorded = listed ?? (dup ? others : unlisted);
    one.begun += dup ? one.recorded : 0;
    one.suspect = dup && one.recorded > 0;
  }

  /**
   * Resolves once the broker was told what is so now. Where it refuses, a message is handled all the same, and the next
   * process knows less.
   */
  function save(): Promise<void> {
    next ??= last.then(async () => {
      next = undefined;
      last = write(record(unlisted, "recorded")).catch(ignore);
      await last;
    });
    return next;
  }

  function record(rest: Kept["others"], count: "begun" | "recorded"): string {
    const begun: Record<number, Line> = Object.fromEntries(left);
    for (const one of held()) {
      // Until it was looked up, what the last process wrote of it stands.
      if (one.recorded === undefined) continue;
      const number = one[count] ?? rest;
      if (number === rest) delete begun[numberOf(one)];
      else begun[numberOf(one)] = [number, printOf(one)];
    }
    return textOf({ others: rest, begun });
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
