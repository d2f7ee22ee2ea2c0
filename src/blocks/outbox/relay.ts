import type { Find } from "../../blocks.ts";
import type { Call } from "../../contracts/host.ts";
import type { Subscription } from "../../contracts/pubsub.ts";
import { ApiError, ComponentError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import type { OpenedState } from "../state/handle.ts";
import { type Due, dueRows, type Unreadable } from "./left.ts";
import {
  fromMessage,
  keysOf,
  LEASE_MS,
  MOST_TRIES,
  pauseOf,
  type Row,
  type RowMessage,
  toValue,
} from "./rows.ts";

/** The longest pause of a row whose broker is away: what waits is published soon after the broker is back. */
const LONGEST_AWAY_MS = 60_000;

/** Publishes what a row holds, then deletes it: what comes in between publishes it again, under the same ids. */
export async function publishRow(
  find: Find,
  opened: OpenedState,
  key: string,
  row: Row,
  call: Call,
): Promise<void> {
  opened.enter();
  try {
    for (const message of row.messages) {
      await send(find, message, opened.clock.now() - row.at, call);
    }
    await opened.instance.delete(key, {}, call);
  } finally {
    opened.leave();
  }
}

/** A broker did not take an event. */
class Unpublished extends ComponentError {
  readonly pubsub: string;

  constructor({ pubsub, topic }: RowMessage, cause: unknown) {
    const known = ComponentError.is(cause) || ApiError.is(cause) ? cause.kind : undefined;
    const text = `topic ${topic} of ${pubsub} did not take an event: ${messageOf(cause)}`;
    super(known ?? "invalid", text, { cause });
    this.pubsub = pubsub;
  }
}

async function send(find: Find, message: RowMessage, elapsed: number, call: Call): Promise<void> {
  try {
    const sent = fromMessage(message, elapsed);
    if (sent) await find("pubsub", message.pubsub).instance.publish(message.topic, sent, call);
  } catch (cause) {
    const ended = call.signal?.aborted || ApiError.is(cause, "ERR_RUNTIME_CLOSED");
    throw ended ? cause : new Unpublished(message, cause);
  }
}

/**
 * Publishes every row that nobody has in hand. Tells of each that is not published, and resolves to the first error of them.
 * Throws where the store fails.
 */
export async function publishLeft(
  find: Find,
  opened: OpenedState,
  call: Call,
  unreadable: Unreadable,
): Promise<unknown> {
  opened.enter();
  try {
    const away = new Set<string>();
    let first: unknown;
    const fail = (error: unknown) => {
      first ??= error;
      told(opened)(error);
    };
    for await (const keys of keysOf(opened, call)) {
      for (const due of await dueRows(opened, keys, call, unreadable, fail)) {
        // One broker that is away does not cost a wait for each row.
        if (due.row.messages.some(({ pubsub }) => away.has(pubsub))) continue;
        const error = await publishDue(find, opened, due, call);
        if (!error) continue;
        fail(error.told);
        if (error.away !== undefined) away.add(error.away);
      }
    }
    return first;
  } finally {
    opened.leave();
  }
}

interface Failed {
  readonly told: ComponentError;
  /** The broker that has to be waited for. */
  readonly away: string | undefined;
}

async function publishDue(
  find: Find,
  opened: OpenedState,
  due: Due,
  call: Call,
): Promise<Failed | undefined> {
  const etag = await claim(opened, due, call);
  if (etag === undefined) return undefined;
  try {
    await publishRow(find, opened, due.key, due.row, call);
    return undefined;
  } catch (error) {
    if (!(error instanceof Unpublished)) throw error;
    const away = error.kind === "unavailable" ? error.pubsub : undefined;
    const pause = await putOff(opened, { ...due, etag }, away !== undefined, call);
    const text = `${due.key} stays in state store ${opened.name}, because ${error.message}. It is tried again in ${pause / 1000} s`;
    return { told: new ComponentError(error.kind, text, { cause: error }), away };
  }
}

/** Leaves a row for later, the longer the more often it was, so that it comes in the way of no other. Resolves to the pause. */
async function putOff(
  opened: OpenedState,
  { key, row, etag }: Due,
  isAway: boolean,
  call: Call,
): Promise<number> {
  const tries = Math.min((row.tries ?? 0) + 1, MOST_TRIES);
  const pause = Math.min(pauseOf(tries), isAway ? LONGEST_AWAY_MS : Number.POSITIVE_INFINITY);
  await rewrite(
    opened,
    { key, etag, row: { ...row, tries, due: opened.clock.now() + pause } },
    call,
  );
  return pause;
}

/** To another who looks at rows at the same time it is this one's until then. Undefined: it is the other's. */
function claim(opened: OpenedState, { key, row, etag }: Due, call: Call) {
  const due = opened.clock.now() + LEASE_MS;
  return rewrite(opened, { key, etag, row: { ...row, due } }, call);
}

/** Resolves to the new ETag; undefined where another was first. */
async function rewrite(
  { instance }: OpenedState,
  { key, row, etag }: Due,
  call: Call,
): Promise<string | undefined> {
  try {
    return await instance.set(key, toValue(row), { when: { etag } }, call);
  } catch (error) {
    if (ComponentError.is(error, "etag-mismatch")) return undefined;
    throw error;
  }
}

/** For a process: publishes what is left now and every few seconds, until it is stopped. */
export function startRelay(runtime: Runtime, store: string): Subscription {
  const { clock } = runtime.options.host;
  const stopped = new AbortController();
  const { signal } = stopped;
  const unreadable: Unreadable = new Map();
  const done = run();
  return {
    async stop() {
      stopped.abort();
      await done;
    },
  };

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await publishLeft(
          runtime.find,
          runtime.find("state", store),
          runtime.blocks.call,
          unreadable,
        );
      } catch (error) {
        if (ApiError.is(error, "ERR_RUNTIME_CLOSED")) return;
        runtime.onEvent?.({ type: "outbox.failed", component: store, error });
      }
      await clock.sleep(LEASE_MS / 2, signal).catch(() => undefined);
    }
  }
}

/** The row is still there, and will be looked at again. */
export function told({ name, onEvent }: OpenedState): (error: unknown) => void {
  return (error) => onEvent?.({ type: "outbox.failed", component: name, error });
}

/** What is committed is published, also for a caller who has gone away. */
export function outliving({ deadline, trace, waitUntil }: Call): Call {
  return { signal: undefined, deadline, trace, waitUntil };
}
