import type { Random } from "../../contracts/host.ts";
import type { Precondition, SetOptions } from "../../contracts/state.ts";
import { ApiError } from "../../errors.ts";
import type { Item, UpdateOptions } from "./api.ts";
import { type Handle, need } from "./handle.ts";
import { whole, writeOptions } from "./options.ts";
import { getItem } from "./read.ts";
import { setChecked } from "./write.ts";

const DEFAULT_ATTEMPTS = 100;

type Change<Out, In> = (
  value: Out | undefined,
  item: Item<Out> | undefined,
) => In | undefined | Promise<In | undefined>;

export async function update<In, Out>(
  handle: Handle,
  key: string,
  change: Change<Out, In>,
  options: UpdateOptions = {},
): Promise<In | Out | undefined> {
  const { opened } = handle;
  const { attempts = DEFAULT_ATTEMPTS } = options;
  need(opened, "ETAG", "update()");
  whole("attempts", attempts);
  const given = options.ttlInSeconds === undefined ? undefined : writeOptions(opened, options);
  opened.enter();
  try {
    return await attempt({ ...handle, inside: true }, key, change, attempts, given);
  } finally {
    opened.leave();
  }
}

async function attempt<In, Out>(
  handle: Handle,
  key: string,
  change: Change<Out, In>,
  attempts: number,
  given: SetOptions | undefined,
): Promise<In | Out | undefined> {
  const { opened, call } = handle;
  for (let count = 1; ; count++) {
    const item = await getItem<Out>(handle, key);
    if (item && item.etag === undefined) throw withoutEtag(opened.name, key);
    const next = await change(item?.value, item);
    if (next === undefined) return item?.value;
    const when: Precondition = item?.etag === undefined ? "absent" : { etag: item.etag };
    const ttl = given ? given.ttl : remaining(item, opened.clock.now());
    try {
      await setChecked(handle, key, next, { when, ttl });
      return next;
    } catch (error) {
      if (!ApiError.is(error, "etag-mismatch") || count >= attempts) throw error;
      opened.onEvent?.({ type: "state.conflict", component: opened.name, key, attempt: count });
      await opened.clock.sleep(backoff(count, opened.random), call.signal);
    }
  }
}

/** Written by something else than a state store: nothing could tell whether somebody writes in between. */
function withoutEtag(store: string, key: string): ApiError {
  return new ApiError(
    "ERR_STATE_SAVE",
    `the item ${key} of state store ${store} has no etag, so update() cannot change it safely: set it once`,
    { kind: "etag-invalid", status: 400 },
  );
}

/**
 * What is left of the item's time, to the second below: an update neither makes an item that ends one that
 * stays, nor puts off its end. 0 is the end of this second.
 */
function remaining(item: Item<unknown> | undefined, now: number): number | undefined {
  if (!item?.ttlExpireTime) return undefined;
  return Math.max(0, Math.floor((item.ttlExpireTime.getTime() - now) / 1000));
}

/** Full jitter, up to 2 ms doubling to 256 ms: writers that collided do not collide again in step. */
function backoff(attempt: number, random: Random): number {
  return random.number() * 2 ** Math.min(attempt, 8);
}
