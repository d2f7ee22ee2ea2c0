import type { Msg, Subscription as NatsSubscription } from "@nats-io/transport-node";
import type { Call, Clock } from "../../src/contracts/host.ts";
import type {
  IncomingMessage,
  SubscribeRequest,
  Subscription,
} from "../../src/contracts/pubsub.ts";
import { createAhead } from "./_ahead.ts";
import { farewell } from "./_deadline.ts";
import type { FoundConsumer } from "./_nats-consumer.ts";
import { createLeases } from "./_nats-leases.ts";
import type { NatsLink, Session } from "./_nats-link.ts";

export interface PullOptions extends Pick<SubscribeRequest, "deliver"> {
  readonly server: NatsLink;
  readonly call: Call;
  readonly clock: Clock;
  readonly prefix: string;
  readonly concurrency: number;
  readonly lease: number;
  /** Milliseconds that a dead letter may take, which is published before a delivery ends. */
  readonly afterwards: number;
  readonly heartbeat: number;
  wait(attempt: number): number;
  ensure(session: Session): Promise<FoundConsumer>;
}

/** A message that waits for a handler, and when it came. */
interface Waiting {
  readonly message: Msg;
  readonly since: number;
}

/** So much of a fast handler's work may wait in the process; a slow one has nothing waiting. */
const AHEAD_MS = 100;
/** Heartbeats after which the server forgets a request that it cannot fill. */
const BEATS = 6;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** How long `stop` waits for a server that says nothing. */
const FAREWELL_MS = 2000;
const NANOS = 1_000_000;
const ACK = "+ACK";
const WORKING = "+WPI";

/** Asks a consumer for as many messages as there are free handlers. Resolves once the consumer is there. */
export async function pull(options: PullOptions): Promise<Subscription> {
  const { server, clock, concurrency, lease, afterwards, heartbeat, deliver } = options;
  const stopping = new AbortController();
  const waiting: Waiting[] = [];
  const running = new Set<Promise<void>>();
  const answers = createAnswers();
  const ahead = createAhead(concurrency, AHEAD_MS);
  const renew = (message: Msg) => answers.add(message, WORKING);
  const leases = createLeases({ clock, lease, longest: lease + afterwards, renew });
  let source: Source | undefined;
  let mending = false;
  let stopped: Promise<void> | undefined;

  await attach(options.call);
  server.onLost(mend, stopping.signal);
  void watch();
  return { stop: () => (stopped ??= stop()) };

  async function attach(call: Pick<Call, "signal" | "deadline">): Promise<void> {
    const found = await server.ask(call, async (session) => {
      const consumer = await options.ensure(session);
      return { session, consumer };
    });
    if (stopping.signal.aborted) return;
    source = openSource(found.session, found.consumer, options, { arrived, ended });
    ask();
  }

  function arrived(message: Msg): void {
    if (stopping.signal.aborted) {
      answers.add(message, nak(0));
      return;
    }
    waiting.push({ message, since: clock.now() });
    next();
  }

  /** The server has ended a request: `well` where only its time was over. */
  function ended(well: boolean): void {
    if (well) ask();
    else mend();
  }

  function next(): void {
    while (running.size < concurrency) {
      const first = waiting.shift();
      if (!first) break;
      // The server has given it to another by now.
      if (clock.now() - first.since >= lease) continue;
      const work = handle(first).finally(() => {
        running.delete(work);
        next();
      });
      running.add(work);
    }
    ask();
  }

  function ask(): void {
    if (!source || stopping.signal.aborted) return;
    const room = concurrency + ahead.count() - running.size - waiting.length - source.asked;
    if (room >= Math.max(source.asked, 1)) source.ask(room);
  }

  async function handle({ message, since }: Waiting): Promise<void> {
    const started = performance.now();
    const incoming = toIncoming(message);
    leases.add(message, since);
    const outcome = await deliver(incoming);
    leases.remove(message);
    ahead.ended(performance.now() - started);
    if (outcome.is === "done") answers.add(message, ACK);
    else answers.add(message, nak(outcome.delay ?? options.wait(incoming.attempt)));
  }

  /** Makes the consumer and the subscription anew, for as long as it takes. */
  async function mend(): Promise<void> {
    if (mending || stopping.signal.aborted) return;
    mending = true;
    const call = { signal: stopping.signal, deadline: undefined };
    source?.close().catch(() => undefined);
    source = undefined;
    for (let pause = FIRST_PAUSE_MS; !source && !stopping.signal.aborted; pause *= 2) {
      const wait = clock.sleep(Math.min(pause, LONGEST_PAUSE_MS), stopping.signal);
      await wait.then(() => attach(call)).catch(() => undefined);
    }
    mending = false;
  }

  /** A server that went silent, and one that forgot a request, say nothing. */
  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(heartbeat, stopping.signal).catch(() => undefined);
      if (source && source.asked > 0 && clock.now() - source.heard > 2 * heartbeat) void mend();
    }
  }

  async function stop(): Promise<void> {
    stopping.abort();
    for (const { message } of waiting.splice(0)) answers.add(message, nak(0));
    // What the server has sent by now arrives before this ends, and is given back.
    await farewell(source?.close(), FAREWELL_MS);
    await Promise.all(running);
    answers.send();
    await farewell(source?.flush(), FAREWELL_MS);
  }
}

interface Source {
  /** Messages that were asked for and have not come. */
  readonly asked: number;
  /** When the server said something last. */
  readonly heard: number;
  ask(count: number): void;
  /** Resolves once nothing more will come. */
  close(): Promise<void>;
  /** Resolves once the server has what was sent. */
  flush(): Promise<void>;
}

interface Events {
  arrived(message: Msg): void;
  ended(well: boolean): void;
}

/** The inbox into which a consumer's messages come. */
function openSource(
  { connection, inbox: newInbox }: Session,
  { stream, durable }: FoundConsumer,
  { prefix, heartbeat, clock }: PullOptions,
  { arrived, ended }: Events,
): Source {
  const subject = `${prefix}.CONSUMER.MSG.NEXT.${stream}.${durable}`;
  const inbox = newInbox();
  const state = { asked: 0, heard: clock.now() };
  const subscription: NatsSubscription = connection.subscribe(inbox, { callback });
  return {
    get asked() {
      return state.asked;
    },
    get heard() {
      return state.heard;
    },
    ask(count) {
      state.asked += count;
      state.heard = clock.now();
      const limits = { expires: BEATS * heartbeat * NANOS, idle_heartbeat: heartbeat * NANOS };
      const request = JSON.stringify({ batch: count, ...limits });
      sent(() => connection.publish(subject, request, { reply: inbox }));
    },
    close: async () => subscription.drain(),
    flush: async () => connection.flush(),
  };

  function callback(error: Error | null, message: Msg): void {
    state.heard = clock.now();
    if (error) {
      ended(false);
      return;
    }
    if (message.subject !== inbox) {
      state.asked = Math.max(state.asked - 1, 0);
      arrived(message);
      return;
    }
    const { code = 0 } = message.headers ?? {};
    if (code === HEARTBEAT) return;
    const left = Number(message.headers?.get("Nats-Pending-Messages") || state.asked);
    state.asked = Math.max(state.asked - left, 0);
    ended(code === EXPIRED);
  }
}

const HEARTBEAT = 100;
const EXPIRED = 408;

interface Answers {
  add(message: Msg, answer: string): void;
  send(): void;
}

/** What the server is told of messages goes out once a turn of the event loop: the driver would write to its socket for each. */
function createAnswers(): Answers {
  let waiting: (readonly [message: Msg, answer: string])[] = [];
  return {
    add(message, answer) {
      if (waiting.push([message, answer]) === 1) setImmediate(send);
    },
    send,
  };

  function send(): void {
    const ready = waiting;
    waiting = [];
    for (const [message, answer] of ready) sent(() => message.respond(answer));
  }
}

/** A connection that is no more takes nothing: the server delivers again what it had no answer to. */
function sent(send: () => void): void {
  try {
    send();
  } catch {
    // The link tells of it.
  }
}

function nak(delayMs: number): string {
  return delayMs > 0 ? `-NAK {"delay":${Math.round(delayMs) * NANOS}}` : "-NAK";
}

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>…`, since 2.10 with domain and account before the stream. */
function toIncoming({ subject, data, reply = "" }: Msg): IncomingMessage {
  const words = reply.split(".");
  const at = words.length > 9 ? 4 : 2;
  return {
    id: `${words[at]}:${words[at + 3]}`,
    topic: subject,
    data,
    metadata: { Topic: subject },
    attempt: Number(words[at + 2]),
  };
}
