import type { Clock, Host } from "../src/contracts/host.ts";
import type {
  IncomingMessage,
  OutgoingMessage,
  PubSub,
  SubscribeRequest,
  Subscription,
} from "../src/contracts/pubsub.ts";
import { ComponentError } from "../src/errors.ts";

/** The longest delay of a timer, in milliseconds: 24 days. More would be none. */
const LONGEST_MS = 2_147_483_647;
/** Milliseconds before a message comes again whose handler asked for no other time. */
const REDELIVERY_MS = 1000;

/** Topics in this process. A message goes to those who subscribe when it is published, a dead letter also to who comes later. */
export function memoryBus(
  { processingTimeout }: { readonly processingTimeout: number },
  { clock, random }: Host,
  name: string,
): PubSub {
  if (processingTimeout <= 0) {
    throw new ComponentError("config", `component ${name}: processingTimeout must be above 0`);
  }
  const lines = new Set<Line>();
  const kept = createKept(clock);
  const ends = new AbortController();
  return {
    processingTimeout,
    async publish(topic, message) {
      if (ends.signal.aborted)
        throw new ComponentError("unavailable", `component ${name} is closed`);
      const { delay = 0 } = message;
      if (delay > LONGEST_MS) {
        throw new ComponentError(
          "invalid",
          `component ${name} delays a message by 24 days at most`,
        );
      }
      const id = random.uuid();
      const wanted = [...lines].filter((line) => line.matches(topic));
      for (const line of wanted) line.add(incoming(topic, message, id), delay);
      if (wanted.length === 0) kept.put(incoming(topic, message, id), delay);
    },
    async subscribe(request) {
      const line = createLine(request, clock, ends.signal);
      lines.add(line);
      if (request.deadLetterTopic !== undefined) kept.open(request.deadLetterTopic);
      kept.give(line);
      return {
        async stop() {
          lines.delete(line);
          await line.stop();
        },
      };
    },
    native: () => lines,
    async close() {
      ends.abort();
      await Promise.all([...lines].map((line) => line.stop()));
      lines.clear();
    },
  };
}

function incoming(topic: string, { data, metadata }: OutgoingMessage, id: string): IncomingMessage {
  return { id, topic, data: owned(data), metadata, attempt: 1 };
}

/** A copy: publishers and handlers may change their bytes, which is nobody else's business. */
function owned(data: string | Uint8Array): string | Uint8Array {
  return typeof data === "string" ? data : new Uint8Array(data);
}

/** Dead letters that nobody subscribed to yet: so many of a topic at most, the oldest are forgotten. */
const MOST_KEPT = 10_000;

interface Kept {
  /** Keeps what comes of this topic from now on. */
  open(topic: string): void;
  /** Keeps a message of such a topic. */
  put(message: IncomingMessage, delay: number): void;
  give(line: Line): void;
}

function createKept(clock: Clock): Kept {
  const topics = new Map<string, { readonly message: IncomingMessage; readonly due: number }[]>();
  return {
    open: (topic) => void (topics.has(topic) || topics.set(topic, [])),
    put(message, delay) {
      const messages = topics.get(message.topic);
      messages?.push({ message, due: clock.now() + delay });
      if (messages && messages.length > MOST_KEPT) messages.shift();
    },
    give(line) {
      for (const [topic, messages] of topics) {
        if (!line.matches(topic)) continue;
        for (const { message, due } of messages.splice(0)) line.add(message, due - clock.now());
      }
    },
  };
}

/** One subscription and what waits for it. */
interface Line extends Subscription {
  matches(topic: string): boolean;
  add(message: IncomingMessage, delay: number): void;
}

function createLine(request: SubscribeRequest, clock: Clock, ended: AbortSignal): Line {
  const { topic: wanted, concurrency = 1, deliver } = request;
  const waiting: IncomingMessage[] = [];
  const running = new Set<Promise<void>>();
  const stopped = new AbortController();
  const away = AbortSignal.any([ended, stopped.signal]);
  return { matches, add, stop };

  function matches(topic: string): boolean {
    if (!wanted.endsWith("*")) return topic === wanted;
    return topic.length >= wanted.length && topic.startsWith(wanted.slice(0, -1));
  }

  function add(message: IncomingMessage, delay: number): void {
    if (delay > 0) {
      clock.sleep(delay, away).then(
        () => add(message, 0),
        () => undefined,
      );
      return;
    }
    waiting.push(message);
    next();
  }

  function next(): void {
    while (running.size < concurrency && !away.aborted) {
      const message = waiting.shift();
      if (!message) return;
      const work = handle(message).finally(() => {
        running.delete(work);
        next();
      });
      running.add(work);
    }
  }

  async function handle(message: IncomingMessage): Promise<void> {
    const outcome = await deliver({ ...message, data: owned(message.data) });
    if (outcome.is === "done") return;
    add({ ...message, attempt: message.attempt + 1 }, outcome.delay ?? REDELIVERY_MS);
  }

  async function stop(): Promise<void> {
    stopped.abort();
    await Promise.all(running);
  }
}
