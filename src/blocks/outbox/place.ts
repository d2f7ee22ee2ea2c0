import type { Call } from "../../contracts/host.ts";
import { ComponentError } from "../../errors.ts";
import type { OpenedState } from "../state/handle.ts";
import { itemsOf } from "./left.ts";
import { keysOf, newKey } from "./rows.ts";

/** Times that another place is tried, in a store that lists no keys. */
const TRIES = 8;

/** Commits a row under a key that is free, and resolves to it. */
export async function place(
  opened: OpenedState,
  call: Call,
  commit: (key: string) => Promise<void> | undefined,
): Promise<string> {
  let doubted = false;
  let key = newKey(opened, opened.random);
  for (let count = 1; ; count++) {
    try {
      await commit(key);
      return key;
    } catch (error) {
      if (opened.features.has("LIST") || !ComponentError.is(error, "etag-mismatch")) throw error;
      // Of a lost race the store does not say on which key, and the place may be free again by now.
      const isTaken = (await opened.instance.get(key, {}, call)) !== undefined;
      if (!isTaken && doubted) throw error;
      doubted = !isTaken;
      const other = isTaken ? await freeKey(opened, call) : newKey(opened, opened.random);
      if (other === undefined || count === TRIES) {
        throw new ComponentError(
          "unavailable",
          `the outbox of state store ${opened.name} is full, because its events are not published fast enough, or cannot be, of which the event outbox.failed tells: nothing was written`,
          { cause: error },
        );
      }
      key = other;
    }
  }
}

/** All are looked at, since places may be taken for long by what no broker takes. */
async function freeKey(opened: OpenedState, call: Call): Promise<string | undefined> {
  const free: string[] = [];
  for await (const keys of keysOf(opened, call)) {
    const items = await itemsOf(opened.instance, keys, call);
    free.push(...keys.filter((_, index) => items[index] === undefined));
  }
  return free[Math.floor(opened.random.number() * free.length)];
}
