import type { Call } from "../../contracts/host.ts";
import type { StateStore, StoredItem } from "../../contracts/state.ts";
import { ComponentError } from "../../errors.ts";
import type { OpenedState } from "../state/handle.ts";
import { MOST_TRIES, pauseOf, type Row, toRow } from "./rows.ts";

/** Rows that cannot be read, by key, and when each is told of next: they hold no time themselves. */
export type Unreadable = Map<string, { readonly tries: number; readonly due: number }>;

export interface Due {
  readonly key: string;
  readonly row: Row;
  readonly etag: string;
}

/** Keys that are remembered; of more than these each look tells. */
const MOST_UNREADABLE = 1000;

/** Those rows that nobody has in hand, what failed before last. `fail` hears of one that cannot be read. */
export async function dueRows(
  { instance, clock }: OpenedState,
  keys: readonly string[],
  call: Call,
  unreadable: Unreadable,
  fail: (error: ComponentError) => void,
): Promise<Due[]> {
  const due: Due[] = [];
  const now = clock.now();
  for (const [index, item] of (await itemsOf(instance, keys, call)).entries()) {
    const key = keys[index] as string;
    const row = item && readRow(key, item);
    if (row instanceof Error) {
      if (isTold(key, now, unreadable)) fail(row);
    } else if (row && row.due <= now) {
      due.push({ key, row, etag: (item as StoredItem).etag as string });
    }
  }
  return due.sort((a, b) => triesOf(a) - triesOf(b) || a.row.at - b.row.at);
}

function triesOf({ row }: Due): number {
  return row.tries ?? 0;
}

type Found = StoredItem | ComponentError | undefined;

/** What lies under each key; an error for what is damaged. */
export function itemsOf(
  instance: StateStore,
  keys: readonly string[],
  call: Call,
): Promise<readonly Found[]> {
  if (instance.getBulk) return instance.getBulk(keys, {}, call);
  return Promise.all(keys.map((key) => instance.get(key, {}, call).catch(damaged)));
}

function damaged(error: unknown): ComponentError {
  if (ComponentError.is(error, "corrupt")) return error;
  throw error;
}

function readRow(key: string, item: StoredItem | ComponentError): Row | ComponentError {
  try {
    return item instanceof Error ? item : toRow(key, item);
  } catch (error) {
    return damaged(error);
  }
}

/** Whether it is time to tell of it, after growing pauses. */
function isTold(key: string, now: number, unreadable: Unreadable): boolean {
  const known = unreadable.get(key);
  if (known && known.due > now) return false;
  const tries = Math.min((known?.tries ?? 0) + 1, MOST_TRIES);
  if (unreadable.size < MOST_UNREADABLE || known) {
    unreadable.set(key, { tries, due: now + pauseOf(tries) });
  }
  return true;
}
