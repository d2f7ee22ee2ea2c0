import type { Blocks } from "../../blocks.ts";
import { configurationError } from "../../errors.ts";
import type {
  CloudEvent,
  Delivery,
  DeliverySource,
  Handler,
  HandlerResult,
  Status,
} from "./api.ts";

/** One message of a list. */
export interface BulkMessage<T = unknown> {
  /** Names it in the answer. */
  readonly entryId: string;
  readonly event: CloudEvent<T>;
  readonly delivery: Delivery;
}

/** What becomes of one message. Without a status, as without an answer, it comes again: the opposite of a single handler. */
export interface BulkStatus {
  readonly entryId: string;
  readonly status?: Status | undefined;
}

/** `blocks` are those of the first message. Throwing is `RETRY` for all. */
export type BulkHandler<T = unknown> = (
  messages: readonly BulkMessage<T>[],
  blocks: Blocks,
) => readonly BulkStatus[] | Promise<readonly BulkStatus[]>;

export interface BulkOptions {
  /** The most messages in a list; default 100, as in Dapr. */
  readonly maxMessagesCount?: number | undefined;
  /** Milliseconds after its first message that a list waits for more; default 1000, as in Dapr. */
  readonly maxAwaitDurationMs?: number | undefined;
}

/** A handler that takes several messages at once, and so needs as many in hand. */
export interface Collector<T = unknown> extends Handler<T> {
  readonly atOnce: number;
}

/**
 * Has `handler` called with lists of messages, in the place of a subscription's or a rule's handler. Each message keeps its
 * own settlement: its retries, and its way to the dead-letter topic. What a platform brings with one invocation does not wait
 * for more, nor does a message with an ordering key, whose next one waits for it.
 */
export function bulk<T = unknown>(
  handler: BulkHandler<T>,
  options: BulkOptions = {},
): Collector<T> {
  const { maxMessagesCount = 100, maxAwaitDurationMs = 1000 } = options;
  check("maxMessagesCount", maxMessagesCount);
  check("maxAwaitDurationMs", maxAwaitDurationMs);
  // Invocations of one isolate must not wait for each other, nor may two runtimes.
  const lists = new WeakMap<DeliverySource, List<T>>();
  const collect: Handler<T> = (event, blocks, delivery) =>
    new Promise<HandlerResult>((resolve, reject) => {
      const { source } = delivery;
      let list = lists.get(source);
      if (!list) {
        list = newList(source);
        lists.set(source, list);
      }
      list.waiting.push({ event, blocks, delivery, resolve, reject });
      if (list.waiting.length >= maxMessagesCount) send(list);
      // An invocation has brought all there is, and the next of an order waits for this one: nothing more may be coming.
      else list.arrived(source.pushed || delivery.orderingKey !== undefined);
    });
  return Object.assign(collect, { atOnce: maxMessagesCount });

  function newList(source: DeliverySource): List<T> {
    let timer: AbortController | undefined;
    const list: List<T> = { waiting: [], arrived, done: () => timer?.abort() };
    return list;

    function arrived(perhapsLast: boolean): void {
      if (timer && !timer.signal.aborted && !perhapsLast) return;
      timer?.abort();
      timer = new AbortController();
      const ms = perhapsLast ? Math.min(QUIET_MS, maxAwaitDurationMs) : maxAwaitDurationMs;
      source.clock.sleep(ms, timer.signal).then(
        () => send(list),
        () => undefined,
      );
    }
  }

  function send(list: List<T>): void {
    list.done();
    // Those whose lease is over are somebody else's, or come again.
    const all = list.waiting.splice(0);
    const live = all.filter(({ blocks }) => !blocks.call.signal?.aborted);
    if (live.length > 0) void handleAll(handler, live);
  }
}

/** Milliseconds without another message after which a list is full to which nothing more may be coming. */
const QUIET_MS = 10;

interface Waiting<T> {
  readonly event: CloudEvent<T>;
  readonly blocks: Blocks;
  readonly delivery: Delivery;
  resolve(result: HandlerResult): void;
  reject(error: unknown): void;
}

interface List<T> {
  readonly waiting: Waiting<T>[];
  /** Waits for more, for as long as the list may, or for a moment. */
  arrived(perhapsLast: boolean): void;
  done(): void;
}

async function handleAll<T>(
  handler: BulkHandler<T>,
  waiting: readonly Waiting<T>[],
): Promise<void> {
  try {
    const messages = waiting.map(({ event, delivery }, index) => ({
      entryId: String(index),
      event,
      delivery,
    }));
    const answer: unknown = await handler(messages, (waiting[0] as Waiting<T>).blocks);
    const statuses = Array.isArray(answer) ? (answer as readonly BulkStatus[]) : [];
    const found = new Map(statuses.map((one) => [one?.entryId, one?.status]));
    for (const [index, { resolve }] of waiting.entries()) {
      const status: unknown = found.get(String(index));
      // A single handler that answers no text has succeeded.
      resolve(typeof status === "string" && status !== "" ? (status as Status) : "RETRY");
    }
  } catch (error) {
    for (const { reject } of waiting) reject(error);
  }
}

function check(option: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw configurationError(`bulk: ${option} must be a whole number above 0, not ${value}`);
}
