import type { Channel, ConsumeMessage } from "amqplib";
import type { Call, Clock } from "../../src/contracts/host.ts";
import type { Outcome, SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { farewell, inTime, nobody } from "./_deadline.ts";
import { explain } from "./_rabbitmq-errors.ts";
import { ANSWER_MS, type RabbitLink, type Waiting } from "./_rabbitmq-link.ts";
import { createCounts, toIncoming } from "./_rabbitmq-message.ts";
import type { RabbitPlan } from "./_rabbitmq-settings.ts";
import { declareQueue, type QueuePlan } from "./_rabbitmq-topology.ts";

export interface ConsumeOptions extends Pick<SubscribeRequest, "deliver"> {
  readonly component: string;
  readonly server: RabbitLink;
  readonly plan: RabbitPlan;
  readonly queue: QueuePlan;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly call: Call;
}

/** The wait of a failed message whose policy says none. */
const RETRY_MS = 1000;
/** The longest wait: the server takes back by itself what it has no answer to for half an hour. */
const LONGEST_MS = 15 * 60_000;
/** Consumers of one subscription at most, each with its own share of messages. */
const MOST_CONSUMERS = 500;

/** Consumes a queue, which it declares. Resolves once the queue is bound and consumed. */
export async function consume(options: ConsumeOptions): Promise<Subscription> {
  const { component, server, plan, queue, concurrency, clock, call, deliver } = options;
  const prefetch = plan.prefetch ?? 2 * concurrency;
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const counts = createCounts(queue.arguments["x-queue-type"] === "quorum");
  let line: Line | undefined;
  let mending = false;
  let stopped: Promise<void> | undefined;

  await attach(call);
  return { stop: () => (stopped ??= stop()) };

  async function attach(waiting: Waiting): Promise<void> {
    const late = `component ${component}: RabbitMQ did not answer within ${ANSWER_MS} ms or the time of the call`;
    const opening = open();
    try {
      const made = await inTime(opening, waiting, ANSWER_MS, () => late);
      if (made.over) throw new Error("the channel was closed");
      line = made;
    } catch (error) {
      opening.then(
        (late) => late.close(),
        () => undefined,
      );
      throw error === waiting.signal?.reason ? error : explain(error, component);
    }
    next();
  }

  async function open(): Promise<Line> {
    const connection = await server.connected(nobody);
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    await declareQueue(channel, plan, queue);
    await channel.prefetch(prefetch);
    const most = queue.single ? 1 : MOST_CONSUMERS;
    const made = createLine(channel, { name: queue.name, prefetch, most, next, lost });
    channel.on("close", lost);
    await made.widen();
    return made;

    function lost(): void {
      made.end();
      if (line === made) void mend();
    }
  }

  function next(): void {
    while (line && running.size < concurrency && !stopping.signal.aborted) {
      const message = line.waiting.shift();
      if (!message) return;
      const work = handle(line, message).finally(() => {
        running.delete(work);
        next();
      });
      running.add(work);
    }
  }

  async function handle(from: Line, message: ConsumeMessage): Promise<void> {
    const attempt = counts.attempt(message);
    const outcome = await deliver(toIncoming(message, queue.topic, attempt, plan.properties));
    if (outcome.is === "done") from.ack(message);
    else again(from, message, attempt, outcome);
  }

  function again(
    from: Line,
    message: ConsumeMessage,
    attempt: number,
    { delay }: Outcome & { readonly is: "retry" },
  ): void {
    const ending = stopping.signal.aborted || call.signal?.aborted;
    if (ending) {
      from.back(message);
    } else if (delay === undefined && plan.buries === "failed") {
      from.bury(message);
    } else {
      counts.failed(message, attempt);
      const wait = Math.min(delay ?? RETRY_MS, LONGEST_MS);
      from.hold(message, (ended) => clock.sleep(wait, ended));
    }
  }

  /** Connects, declares and consumes anew, for as long as it takes. */
  async function mend(): Promise<void> {
    if (mending || stopping.signal.aborted) return;
    mending = true;
    void line?.close();
    line = undefined;
    const background = { signal: stopping.signal, deadline: undefined };
    while (!line && !stopping.signal.aborted) {
      await attach(background)
        .catch(() => clock.sleep(plan.pause, stopping.signal))
        .catch(() => undefined);
    }
    mending = false;
  }

  async function stop(): Promise<void> {
    stopping.abort();
    const last = line;
    if (!last) return void (await Promise.all(running));
    await last.quiet();
    await Promise.all(running);
    await last.close();
  }
}

/** A channel with its consumers, and the messages that it brought and that have no answer yet. */
interface Line {
  /** For a free handler. */
  readonly waiting: ConsumeMessage[];
  /** The channel is gone. */
  readonly over: boolean;
  /** Has as many consumers as it takes for the messages that are held to stand in nobody's way. */
  widen(): Promise<void>;
  ack(message: ConsumeMessage): void;
  /** To the queue, for whoever is there. */
  back(message: ConsumeMessage): void;
  /** To the server's dead letters. */
  bury(message: ConsumeMessage): void;
  /** To the queue after a wait. Until then it has no answer, so that it is safe whatever becomes of the process. */
  hold(message: ConsumeMessage, wait: (ended: AbortSignal) => Promise<void>): void;
  /** Gets no more, and gives back what no handler has. */
  quiet(): Promise<void>;
  close(): Promise<void>;
  /** The channel is gone: its messages are the server's. */
  end(): void;
}

interface LineOptions {
  readonly name: string;
  readonly prefetch: number;
  readonly most: number;
  next(): void;
  lost(): void;
}

function createLine(channel: Channel, { name, prefetch, most, next, lost }: LineOptions): Line {
  const waiting: ConsumeMessage[] = [];
  const ended = new AbortController();
  /** Tags of the consumers. A message is counted against the one that brought it until it is answered. */
  const tags: string[] = [];
  let held = 0;
  let widening: Promise<void> | undefined;
  let quiet = false;
  return {
    waiting,
    get over() {
      return ended.signal.aborted;
    },
    widen,
    ack,
    back,
    bury,
    hold,
    quiet: hush,
    close,
    end,
  };

  async function widen(): Promise<void> {
    const wanted = () => (quiet ? 0 : Math.min(1 + Math.ceil(held / prefetch), most));
    while (tags.length !== wanted() && !ended.signal.aborted) {
      if (tags.length > wanted()) {
        await channel.cancel(tags.pop() as string);
      } else {
        const { consumerTag } = await channel.consume(name, arrived);
        tags.push(consumerTag);
      }
    }
  }

  function adjust(): Promise<void> {
    widening ??= widen()
      .catch(() => undefined)
      .finally(() => {
        widening = undefined;
      });
    return widening;
  }

  function arrived(message: ConsumeMessage | null): void {
    // The queue was deleted.
    if (!message) {
      lost();
      return;
    }
    waiting.push(message);
    next();
  }

  function ack(message: ConsumeMessage): void {
    sent(() => channel.ack(message));
  }

  function back(message: ConsumeMessage): void {
    sent(() => channel.nack(message, false, true));
  }

  function bury(message: ConsumeMessage): void {
    sent(() => channel.nack(message, false, false));
  }

  function hold(message: ConsumeMessage, wait: (ended: AbortSignal) => Promise<void>): void {
    // The server has the rest of it.
    const { deliveryTag } = message.fields;
    const tag = { fields: { deliveryTag } } as ConsumeMessage;
    held++;
    void adjust();
    wait(ended.signal)
      .then(() => {
        held--;
        back(tag);
        return adjust();
      })
      .catch(() => undefined);
  }

  async function hush(): Promise<void> {
    quiet = true;
    // One that is under way may have looked before.
    await adjust();
    await adjust();
    // Only now: this process would get them again.
    for (const message of waiting.splice(0)) back(message);
  }

  async function close(): Promise<void> {
    end();
    // What is held goes back to the queue with it.
    await farewell(
      Promise.resolve().then(() => channel.close()),
      ANSWER_MS,
    );
  }

  function end(): void {
    waiting.length = 0;
    ended.abort(null);
  }
}

/** A channel that is no more takes nothing: the server delivers again what it had no answer to. */
function sent(send: () => void): void {
  try {
    send();
  } catch {
    // Its end is told by "close".
  }
}
