import type { Call } from "../../src/contracts/host.ts";
import type {
  IncomingMessage,
  Outcome,
  SubscribeRequest,
  Subscription,
} from "../../src/contracts/pubsub.ts";
import { type Broker, isMissing, LIMIT_MS } from "./_sns-broker.ts";
import { namedTopics, type SqsMessage, sameName, toIncoming } from "./_sqs-message.ts";
import { hide } from "./_sqs-visibility.ts";
import { entityName } from "./_topic-name.ts";

export interface LineSettings {
  readonly messageVisibilityTimeout: number;
  readonly messageWaitTimeSeconds: number;
  readonly messageMaxNumber: number;
  readonly messageRetryLimit: number;
  readonly sqsDeadLettersQueueName: string | undefined;
  readonly disableDeleteOnRetryLimit: boolean;
  readonly concurrencyMode: string;
  readonly concurrencyLimit: number;
}

/** Receives from the app's queue for all of its topics. */
export interface Line {
  add(request: SubscribeRequest): Subscription;
}

/** One topic's messages in this process. */
interface Route {
  readonly name: string;
  readonly request: SubscribeRequest;
  readonly most: number;
  readonly running: Set<Promise<void>>;
  /** Received while as many as may run at a time did; kept from others until their turn. */
  readonly waiting: Waiting[];
}

/** A message that this process has, and its name for the broker. */
interface Held {
  readonly handle: string;
  readonly message: IncomingMessage;
}

interface Waiting extends Kept {
  readonly held: Held;
}

/** A message that the queue gives to nobody else, for now. */
interface Kept {
  /** Resolves once the queue is asked no more to wait: what it is told next is the last. */
  end(): Promise<void>;
}

/** The longest that a dead letter takes, which is published before a delivery ends: the topic is looked for, and sent to. */
const LETTER_MS = 2 * LIMIT_MS;

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** `again` makes what is gone from the broker once more. */
export function createLine(
  broker: Broker,
  settings: LineSettings,
  QueueUrl: string,
  again: (topics: readonly string[]) => Promise<void>,
  call: Call,
): Line {
  const { sqs, fifo, host, component } = broker;
  const { clock, random } = host;
  const visibility = settings.messageVisibilityTimeout;
  const wait = settings.messageWaitTimeSeconds;
  const routes = new Map<string, Route>();
  // Those of a subscription end with it, and what it has in hand is still to be told to the broker.
  const { trace, waitUntil } = call;
  const own: Call = { signal: undefined, deadline: undefined, trace, waitUntil };
  let loop: Promise<void> | undefined;
  let wake = (): void => undefined;
  return { add };

  function add(request: SubscribeRequest): Subscription {
    const name = entityName(request.topic, fifo);
    const other = routes.get(name)?.request.topic;
    if (other !== undefined) throw sameName(component, request.topic, other, name);
    const most = request.concurrency ?? settings.messageMaxNumber;
    const route: Route = { name, request, most, running: new Set(), waiting: [] };
    routes.set(name, route);
    wake();
    loop ??= run();
    return { stop: () => stop(route) };
  }

  async function run(): Promise<void> {
    for (let failures = 0; routes.size > 0; ) {
      const count = room();
      if (count < 1) {
        await changed();
        continue;
      }
      try {
        take(await receive(count));
        failures = 0;
      } catch (error) {
        if (isMissing(error)) await mend();
        await idle(Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS));
      }
    }
    loop = undefined;
  }

  async function receive(count: number): Promise<SqsMessage[]> {
    const input = {
      QueueUrl,
      // Of an order, one: the others of its group would have to go back unhandled, and counted, when it fails.
      MaxNumberOfMessages: fifo ? 1 : Math.min(count, settings.messageMaxNumber),
      VisibilityTimeout: Math.ceil(visibility / 1000),
      WaitTimeSeconds: wait,
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    };
    const answer = await sqs.run("ReceiveMessage", input, own, wait * 1000 + LIMIT_MS);
    return ((answer as Received).Messages ?? []).map(messageOf);
  }

  /** Handlers that may be started now. */
  function room(): number {
    const { concurrencyMode, concurrencyLimit } = settings;
    let [busy, free] = [0, 0];
    for (const { running, waiting, most } of routes.values()) {
      busy += running.size + waiting.length;
      free += Math.max(0, most - running.size - waiting.length);
    }
    const limit = concurrencyMode === "single" ? 1 : concurrencyLimit;
    return limit > 0 ? Math.min(free, limit - busy) : free;
  }

  function take(received: readonly SqsMessage[]): void {
    const topics = [...routes.values()].map(({ request }) => request.topic);
    const named = namedTopics(topics, fifo, component);
    const left: Held[] = [];
    for (const one of received) {
      const message = toIncoming(one, named, fifo);
      const held = { handle: one.handle, message };
      const route = routes.get(entityName(message.topic, fifo));
      if (route) enqueue(route, held);
      else left.push(held);
    }
    // What nobody here is for comes again in its time; once nobody is for anything, at once, for another process.
    if (routes.size === 0) release(left);
  }

  function enqueue(route: Route, held: Held): void {
    if (route.running.size < route.most) {
      start(route, held);
      return;
    }
    route.waiting.push({ held, ...keep(held) });
  }

  function keep(held: Held, until = Number.POSITIVE_INFINITY): Kept {
    const ended = new AbortController();
    const kept = hideAgain(held, until, ended.signal).catch(() => undefined);
    return {
      end() {
        ended.abort();
        return kept;
      },
    };
  }

  async function hideAgain(held: Held, until: number, ended: AbortSignal): Promise<void> {
    while (clock.now() < until) {
      await clock.sleep(visibility / 2, ended);
      await hideAll([held], visibility);
    }
  }

  function start(route: Route, held: Held, before?: Promise<void>): void {
    const work = handle(route, held, before)
      .catch(() => undefined)
      .finally(() => {
        route.running.delete(work);
        next(route);
        wake();
      });
    route.running.add(work);
  }

  function next(route: Route): void {
    const waiting = route.waiting.shift();
    if (!waiting) return;
    const { held, end } = waiting;
    // The handler gets all of the time that a handler has. Where that fails, another has the message.
    const hidden = end().then(() => hideAll([held], visibility));
    start(route, held, hidden);
  }

  async function handle(route: Route, held: Held, before?: Promise<void>): Promise<void> {
    await before;
    const kept = keep(held, clock.now() + visibility + LETTER_MS);
    const outcome = await route.request.deliver(held.message);
    await kept.end();
    await settle(route, held, outcome);
  }

  /** What cannot be told to the broker comes again, which is what a message may always do. */
  async function settle(route: Route, held: Held, outcome: Outcome): Promise<void> {
    if (outcome.is === "done") return remove(held);
    if (outcome.delay !== undefined) return hideAll([held], outcome.delay);
    if (routes.get(route.name) !== route) return giveBack([held]);
    if (isSpent(held)) return remove(held);
  }

  /** Dapr's rule for an app without a policy: the last failure that is allowed ends a message. */
  function isSpent({ message }: Held): boolean {
    const { disableDeleteOnRetryLimit, sqsDeadLettersQueueName, messageRetryLimit } = settings;
    if (disableDeleteOnRetryLimit || sqsDeadLettersQueueName) return false;
    return message.attempt >= messageRetryLimit;
  }

  async function remove({ handle }: Held): Promise<void> {
    await sqs.run("DeleteMessage", { QueueUrl, ReceiptHandle: handle }, own, LIMIT_MS);
  }

  /**
   * A receive that is broken off may have taken messages along, so that the last one ends by itself; and before it has,
   * it would take what is given back, and have it counted.
   */
  async function giveBack(held: readonly Held[]): Promise<void> {
    if (routes.size === 0) await loop;
    await release(held);
  }

  async function release(held: readonly Held[]): Promise<void> {
    await hideAll(held, 0).catch(() => undefined);
  }

  function hideAll(held: readonly Held[], delayMs: number): Promise<void> {
    const hidden = held.map(({ handle }) => ({ handle, delayMs }));
    return hide(sqs, QueueUrl, hidden, own, LIMIT_MS);
  }

  async function mend(): Promise<void> {
    await again([...routes.values()].map(({ request }) => request.topic)).catch(() => undefined);
  }

  async function stop(route: Route): Promise<void> {
    if (routes.get(route.name) === route) routes.delete(route.name);
    const rest = route.waiting.splice(0);
    wake();
    const ended = Promise.all(rest.map(({ end }) => end()));
    const given = ended.then(() => giveBack(rest.map(({ held }) => held)));
    await Promise.all([given, ...route.running]);
  }

  function changed(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }

  async function idle(ms: number): Promise<void> {
    const slept = new AbortController();
    const pause = clock.sleep(ms * (0.5 + random.number() / 2), slept.signal);
    await Promise.race([pause.catch(() => undefined), changed()]);
    slept.abort();
  }
}

interface Received {
  readonly Messages?: readonly {
    readonly MessageId: string;
    readonly ReceiptHandle: string;
    readonly Body: string;
    readonly Attributes?: { ApproximateReceiveCount?: string; MessageGroupId?: string };
  }[];
}

function messageOf(received: NonNullable<Received["Messages"]>[number]): SqsMessage {
  const { MessageId, ReceiptHandle, Body, Attributes } = received;
  return {
    id: MessageId,
    handle: ReceiptHandle,
    body: Body,
    count: Number(Attributes?.ApproximateReceiveCount) || 1,
    group: Attributes?.MessageGroupId,
  };
}
