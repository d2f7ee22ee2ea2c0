import type { ConsumeMessage } from "amqplib";
import type { Call, Clock } from "../../src/contracts/host.ts";
import type { Outcome, SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { inTime, nobody } from "./_deadline.ts";
import { carriedBy, isWorn } from "./_rabbitmq-copy.ts";
import { explain } from "./_rabbitmq-errors.ts";
import { createLine, type Line } from "./_rabbitmq-line.ts";
import { ANSWER_MS, type RabbitLink, type Waiting } from "./_rabbitmq-link.ts";
import { createCounts, toIncoming } from "./_rabbitmq-message.ts";
import type { Publisher } from "./_rabbitmq-publisher.ts";
import type { RabbitPlan } from "./_rabbitmq-settings.ts";
import { declareQueue, type QueuePlan } from "./_rabbitmq-topology.ts";

export interface ConsumeOptions extends Pick<SubscribeRequest, "deliver" | "maxRetries"> {
  readonly component: string;
  readonly server: RabbitLink;
  readonly copy: Publisher["copy"];
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
/**
 * Times that a copy is tried before a message is handled without, and counted in this process alone: RabbitMQ may be short of
 * memory, or the queue full.
 */
const COPY_TRIES = 30;
/** The largest number that the protocol has for it. Of more, it would be none, and no bound. */
const MOST_PREFETCHED = 65_535;
/** Consumers of one subscription at most, each with its own share of messages. */
const MOST_CONSUMERS = 500;

/** Consumes a queue, which it declares. Resolves once the queue is bound and consumed. */
export async function consume(options: ConsumeOptions): Promise<Subscription> {
  const { component, server, plan, queue, concurrency, clock, call, deliver } = options;
  const prefetch = plan.prefetch ?? Math.min(2 * concurrency, MOST_PREFETCHED);
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const counts = createCounts(queue);
  const bounded = options.maxRetries !== undefined;
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
    const made = createLine(channel, {
      name: queue.name,
      prefetch,
      most,
      isWorn: (message) => isWorn(message, queue, bounded),
      isCopy: (message) => carriedBy(message, queue) > 0,
      renew: (message) => renew(made, message),
      spares: bounded && !queue.counts,
      next,
      lost,
    });
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

  async function renew(from: Line, message: ConsumeMessage): Promise<boolean> {
    const count = counts.attempt(message) - 1;
    for (let tries = 1; !from.over; tries++) {
      const found = await options.copy(queue.name, message, count, clock.now());
      if (found === "taken") return true;
      // Another would be one more of it, each time.
      if (found === "unknown" || tries === COPY_TRIES || stopping.signal.aborted) break;
      await clock.sleep(RETRY_MS, stopping.signal).catch(() => undefined);
    }
    counts.failed(message, count);
    return false;
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
