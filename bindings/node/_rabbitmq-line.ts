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
  /** Puts a copy of a message into the queue, where it cannot stay for much longer as it is. False: there is none, and it does. */
  renew(message: ConsumeMessage): Promise<boolean>;
  isWorn(message: ConsumeMessage): boolean;
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
      const work = renew(message).finally(() => renewing.delete(work));
      renewing.add(work);
      return;
    }
    waiting.push(message);
    next();
  }

  /** In this order: what comes in between makes two of it, and never none. */
  async function renew(message: ConsumeMessage): Promise<void> {
    if (await options.renew(message)) return ack(message);
    if (quiet) return back(message);
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
