import type { Call } from "../../contracts/host.ts";
import type { IncomingMessage, Outcome } from "../../contracts/pubsub.ts";
import { ApiError, messageOf } from "../../errors.ts";
import type { DeliveryOutcome } from "../../events.ts";
import type { Runtime } from "../../runtime.ts";
import { validate } from "../schema.ts";
import type { CloudEvent, DeliverySource, Handler, HandlerResult } from "./api.ts";
import { parseEnvelope, wrapRaw } from "./envelope.ts";
import type { OpenedPubSub } from "./handle.ts";
import { createRunning, HandlerCall, type Running } from "./running.ts";
import type { TopicSubscription } from "./subscribe.ts";

/** What delivers the messages of one subscription, or those of them that one invocation brings. */
export interface Receiver {
  readonly runtime: Runtime;
  readonly opened: OpenedPubSub;
  readonly subscription: TopicSubscription;
  readonly source: DeliverySource;
  readonly call: Call;
  readonly running: Running;
}

export function createReceiver(
  runtime: Runtime,
  opened: OpenedPubSub,
  subscription: TopicSubscription,
  pushed: boolean,
  call: Call,
): Receiver {
  const { clock } = opened;
  const running = createRunning(clock, call);
  return { runtime, opened, subscription, source: { pushed, clock }, call, running };
}

/**
 * What was found out about a message. `again` asks for it once more, `back` too, since it was not its fault; `useless` says
 * that asking would not help.
 */
type Verdict =
  | typeof handled
  | { readonly is: "back"; readonly error: unknown }
  | { readonly is: "again"; readonly error: unknown }
  | {
      readonly is: "useless";
      readonly outcome: "dropped" | "unrouted" | "expired";
      readonly error?: unknown;
    };

const handled = { is: "handled" } as const;
const done: Outcome = { is: "done" };
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 3_600_000;

/** Hands one message to the app and says what is to become of it. Never rejects. `lost`: the broker gave it to another. */
export async function deliver(
  receiver: Receiver,
  given: IncomingMessage,
  lost?: AbortSignal,
): Promise<Outcome> {
  const { opened, subscription } = receiver;
  const { event } = given;
  const isWhole = event === undefined || subscription.options.rawPayload;
  const message = isWhole ? given : { ...given, data: event };
  const { clock, onEvent, name: component } = opened;
  const started = onEvent && clock.now();
  const verdict = await judge(receiver, message, lost);
  const [outcome, result, error] =
    verdict.is === "handled" ? wasHandled : await settle(receiver, message, verdict, lost);
  if (started !== undefined) {
    const { topic } = subscription;
    const { attempt } = message;
    const durationMs = clock.now() - started;
    const failed = error === undefined ? {} : { error };
    const told = { component, topic, attempt, outcome: result, durationMs, ...failed };
    onEvent?.({ type: "pubsub.delivery", ...told });
  }
  return outcome;
}

/** Never rejects. */
async function judge(
  receiver: Receiver,
  message: IncomingMessage,
  lost: AbortSignal | undefined,
): Promise<Verdict> {
  const { subscription, opened } = receiver;
  const { maxRetries = Number.POSITIVE_INFINITY, deadLetterTopic } = subscription.options;
  const { attempt } = message;
  // Without a topic for it, it would be lost, and perhaps nobody has ever begun to handle it.
  if (deadLetterTopic && attempt > maxRetries + 1) {
    const why = `it was delivered ${attempt - 1} times, and none of its handlers lived to answer`;
    return { is: "again", error: new Error(why) };
  }
  try {
    let event = eventOf(receiver, message);
    const { expiration } = event;
    if (typeof expiration === "string" && Date.parse(expiration) <= opened.clock.now()) {
      return { is: "useless", outcome: "expired" };
    }
    const { schema } = subscription;
    const checked = schema && (await validate(schema, event.data));
    if (checked && "problem" in checked) {
      const error = new Invalid(`the data does not fit the topic's schema: ${checked.problem}`);
      return { is: "useless", outcome: "dropped", error };
    }
    if (checked) event = { ...event, data: checked.value };
    const handler = route(subscription, event);
    if (!handler) return { is: "useless", outcome: "unrouted" };
    return verdictOf(await run(receiver, handler, event, message, lost));
  } catch (error) {
    return { is: isOurs(receiver, lost, error) ? "back" : "again", error };
  }
}

/** The invocation, the process or the lease ended, which is no fault of the message's. */
function isOurs({ call }: Receiver, lost: AbortSignal | undefined, error: unknown): boolean {
  if (call.signal?.aborted || lost?.aborted) return true;
  return error instanceof NoTime || ApiError.is(error, "ERR_RUNTIME_CLOSED");
}

/** A message came too late for a handler to have its time. */
class NoTime extends Error {}

/** A message is no event, or its data is not what the topic's schema says: whoever reads its dead letter is told so. */
class Invalid extends Error {}

function eventOf({ subscription, opened }: Receiver, { data, topic }: IncomingMessage): CloudEvent {
  if (subscription.options.rawPayload) {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return wrapRaw(bytes, topic, opened.name, opened.random.uuid());
  }
  try {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    return parseEnvelope(text, subscription.verbatim);
  } catch (cause) {
    throw new Invalid(`a message of topic ${topic} is no event: ${messageOf(cause)}`, { cause });
  }
}

function route({ routes }: TopicSubscription, event: CloudEvent): Handler | undefined {
  const rule = routes.rules.find(({ match }) => match(event));
  return rule ? rule.handler : routes.default;
}

/**
 * The handler's answer; throws what it throws, and a `TimeoutError` when it takes longer than the broker waits. One that had
 * less than half of the time which the component promises, since its batch or its lease was nearly over, had none.
 */
async function run(
  { runtime, opened, source, call, running }: Receiver,
  handler: Handler,
  event: CloudEvent,
  { id, attempt, metadata, data, orderingKey, deadline }: IncomingMessage,
  lost: AbortSignal | undefined,
): Promise<HandlerResult> {
  call.signal?.throwIfAborted();
  lost?.throwIfAborted();
  const { processingTimeout } = opened.instance;
  const limit = deadline === undefined ? processingTimeout : deadline - opened.clock.now();
  if (limit !== undefined && limit <= 0) throw new NoTime("its time was over before it began");
  const own = new HandlerCall(call, event);
  const gone = () => own.end(lost?.reason);
  lost?.addEventListener("abort", gone);
  running.add(own, limit);
  try {
    const delivery = { id, attempt, metadata, data, orderingKey, source };
    return await own.settled(handler(event, runtime.blocksFor(own), delivery));
  } catch (error) {
    const scant =
      limit !== undefined && processingTimeout !== undefined && limit < processingTimeout / 2;
    throw scant && own.ended ? new NoTime(messageOf(error), { cause: error }) : error;
  } finally {
    running.remove(own);
    lost?.removeEventListener("abort", gone);
  }
}

export function isHandled(result: HandlerResult): boolean {
  const status = statusOf(result);
  if (typeof result !== "object" && typeof status !== "string") return true;
  return status === undefined || status === "" || status === "SUCCESS";
}

function statusOf(result: HandlerResult): unknown {
  return typeof result === "object" ? result?.status : result;
}

/** As Dapr reads an app's answer: no status is success, one that it does not know is not. */
function verdictOf(result: HandlerResult): Verdict {
  if (isHandled(result)) return handled;
  const status = statusOf(result);
  if (status === "DROP") return { is: "useless", outcome: "dropped" };
  if (status === "RETRY") return { is: "again", error: new Error("the handler answered RETRY") };
  return { is: "again", error: new Error("the handler answered a status that there is not") };
}

type Settled = readonly [outcome: Outcome, result: DeliveryOutcome, error: unknown];

const wasHandled: Settled = [done, "handled", undefined];

async function settle(
  receiver: Receiver,
  message: IncomingMessage,
  verdict: Exclude<Verdict, typeof handled>,
  lost: AbortSignal | undefined,
): Promise<Settled> {
  const { error } = verdict;
  if (verdict.is === "back") return [{ is: "retry" }, "retried", error];
  const { maxRetries, deadLetterTopic } = receiver.subscription.options;
  if (verdict.is === "again") {
    const { attempt } = message;
    const endless = maxRetries === undefined && !deadLetterTopic;
    if (endless || attempt <= (maxRetries ?? 0)) {
      const delay = delayOf(receiver.subscription, attempt);
      return [{ is: "retry", delay }, "retried", error];
    }
  }
  if (!deadLetterTopic) return [done, verdict.is === "again" ? "dropped" : verdict.outcome, error];
  try {
    await bury(receiver, deadLetterTopic, message, error, lost);
    return [done, "dead-lettered", error];
  } catch (cause) {
    const why = `the dead-letter topic ${deadLetterTopic} did not take it: ${messageOf(cause)}`;
    // Never the broker's own way with a message: that may be to give up one that is owed to the dead-letter topic.
    const { attempt } = message;
    const delay = delayOf(receiver.subscription, attempt) ?? backoff(FIRST_DELAY_MS, attempt);
    return [{ is: "retry", delay }, "retried", new Error(why, { cause })];
  }
}

/** Undefined, the broker's own, where the subscription says nothing of retries. */
function delayOf({ options }: TopicSubscription, attempt: number): number | undefined {
  const { maxRetries, retryDelayMs } = options;
  if (maxRetries === undefined && retryDelayMs === undefined) return undefined;
  return backoff(retryDelayMs ?? FIRST_DELAY_MS, attempt);
}

function backoff(first: number, attempt: number): number {
  return Math.min(first * 2 ** (attempt - 1), LONGEST_DELAY_MS);
}

/**
 * Publishes a message as it came, with the reason beside it where it was not fit for a handler. Without its id: a broker that
 * drops repeated ones would drop it.
 */
async function bury(
  { opened, call }: Receiver,
  topic: string,
  { data, orderingKey }: IncomingMessage,
  error: unknown,
  lost: AbortSignal | undefined,
): Promise<void> {
  const key = opened.features.has("ORDERING") ? orderingKey : undefined;
  const { deadline, trace, waitUntil } = call;
  const own = lost ? { deadline, trace, waitUntil, signal: either(lost, call.signal) } : call;
  const metadata: Record<string, string> = {};
  if (error instanceof Invalid) metadata.deadLetterReason = error.message;
  await opened.instance.publish(topic, { data, metadata, orderingKey: key }, own);
}

function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other ? AbortSignal.any([one, other]) : one;
}
