import type { Find } from "../../blocks.ts";
import type { Call } from "../../contracts/host.ts";
import type { Subscription } from "../../contracts/pubsub.ts";
import type { StoredItem } from "../../contracts/state.ts";
import { ApiError, ComponentError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import type { OpenedState } from "../state/handle.ts";
import { fromMessage, keysOf, LEASE_MS, type Row, toRow, toValue } from "./rows.ts";

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
      const { instance } = find("pubsub", message.pubsub);
      const sent = fromMessage(message, opened.clock.now() - row.at);
      if (sent) await instance.publish(message.topic, sent, call);
    }
    await opened.instance.delete(key, {}, call);
  } finally {
    opened.leave();
  }
}

/** Publishes every row that nobody has in hand. Throws the first error when all have been tried. */
export async function publishLeft(find: Find, opened: OpenedState, call: Call): Promise<void> {
  opened.enter();
  try {
    const away = new Set<string>();
    const errors: unknown[] = [];
    for await (const keys of keysOf(opened, call)) {
      for (const due of await dueRows(opened, keys, call)) {
        // One broker that is away does not cost a wait for each row.
        const brokers = due.row.messages.map(({ pubsub }) => pubsub);
        if (brokers.some((broker) => away.has(broker))) continue;
        try {
          if (await claim(opened, due, call))
            await publishRow(find, opened, due.key, due.row, call);
        } catch (error) {
          errors.push(error);
          for (const broker of brokers) away.add(broker);
        }
      }
    }
    if (errors.length > 0) throw errors[0];
  } finally {
    opened.leave();
  }
}

interface Due {
  readonly key: string;
  readonly row: Row;
  readonly etag: string;
}

async function dueRows(
  { instance, clock }: OpenedState,
  keys: readonly string[],
  call: Call,
): Promise<Due[]> {
  const found = instance.getBulk
    ? await instance.getBulk(keys, {}, call)
    : await Promise.all(keys.map((key) => instance.get(key, {}, call)));
  const due: Due[] = [];
  for (const [index, item] of found.entries()) {
    if (item === undefined || item instanceof Error) continue;
    const { etag } = item as StoredItem;
    const key = keys[index] as string;
    const row = toRow(key, item as StoredItem);
    if (etag !== undefined && row.due <= clock.now()) due.push({ key, row, etag });
  }
  return due.sort((a, b) => a.row.at - b.row.at);
}

/** Whether it is this one's now, and not another's who looks for rows at the same time. */
async function claim(
  { instance, clock }: OpenedState,
  { key, row, etag }: Due,
  call: Call,
): Promise<boolean> {
  try {
    const claimed = toValue({ ...row, due: clock.now() + LEASE_MS });
    await instance.set(key, claimed, { when: { etag } }, call);
    return true;
  } catch (error) {
    if (ComponentError.is(error, "etag-mismatch")) return false;
    throw error;
  }
}

/** For a process: publishes what is left now and every few seconds, until it is stopped. */
export function startRelay(runtime: Runtime, store: string): Subscription {
  const { clock } = runtime.options.host;
  const stopped = new AbortController();
  const { signal } = stopped;
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
        await publishLeft(runtime.find, runtime.find("state", store), runtime.blocks.call);
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
