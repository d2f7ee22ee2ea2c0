import type { Channel, ConsumeMessage } from "amqplib";
import { farewell } from "./_deadline.ts";
import { ANSWER_MS } from "./_rabbitmq-link.ts";

/** A channel with its consumers, and the messages that it brought and that have no answer yet. */
export interface Line {
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

export interface LineOptions {
  readonly name: string;
  readonly prefetch: number;
  readonly most: number;
  /** Puts a copy of a message into the queue. False: there is none, as far as is known. */
  renew(message: ConsumeMessage): Promise<boolean>;
  /** Whether it cannot stay as it is, because of how often it was delivered. */
  isWorn(message: ConsumeMessage): boolean;
  /** Whether it came of `renew`, of whatever process. */
  isCopy(message: ConsumeMessage): boolean;
  /** Whether a message that goes back unhandled is renewed, because it would count as delivered. */
  readonly spares: boolean;
  next(): void;
  lost(): void;
}

export function createLine(channel: Channel, options: LineOptions): Line {
  const { name, prefetch, most, next, lost } = options;
  const waiting: ConsumeMessage[] = [];
  const renewing = new Set<Promise<void>>();
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
    if (options.isWorn(message)) {
      during(renew(message));
    } else if (renewing.size > 0 && options.isCopy(message)) {
      during(follow(message, [...renewing]));
    } else {
      take(message);
    }
  }

  function take(message: ConsumeMessage): void {
    waiting.push(message);
    next();
  }

  function during(renewal: Promise<void>): void {
    const work = renewal.catch(() => undefined).finally(() => renewing.delete(work));
    renewing.add(work);
  }

  /** In this order: what comes in between makes two of it, and never none. */
  async function renew(message: ConsumeMessage): Promise<void> {
    if (await options.renew(message)) {
      ack(message);
      // Asked after it: once the server answers, it has heard both.
      await channel.prefetch(prefetch);
    } else if (quiet) {
      back(message);
    } else {
      take(message);
    }
  }

  /** A copy comes before what it is a copy of is acknowledged: a handler that ended the process now would leave two of it. */
  async function follow(copy: ConsumeMessage, renewals: readonly Promise<void>[]): Promise<void> {
    await Promise.all(renewals);
    if (quiet) await leave(copy);
    else take(copy);
  }

  /** To the queue, unhandled. */
  async function leave(message: ConsumeMessage): Promise<void> {
    if (options.spares && (await options.renew(message))) ack(message);
    else back(message);
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
    for (const message of waiting.splice(0)) during(leave(message));
    await Promise.all(renewing);
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
