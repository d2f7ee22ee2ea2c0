import type { Random } from "../../contracts/host.ts";
import { ApiError } from "../../errors.ts";
import type { Item, UpdateOptions } from "./api.ts";
import { type Handle, need } from "./handle.ts";
import { getItem } from "./read.ts";
import { set } from "./write.ts";

const DEFAULT_ATTEMPTS = 100;

type Change<Out, In> = (
  value: Out | undefined,
  item: Item<Out> | undefined,
) => In | undefined | Promise<In | undefined>;

export async function update<In, Out>(
  handle: Handle,
  key: string,
  change: Change<Out, In>,
  { attempts = DEFAULT_ATTEMPTS, ttlInSeconds }: UpdateOptions = {},
): Promise<In | Out | undefined> {
  const { opened, call } = handle;
  need(opened, "ETAG", "update()");
  for (let attempt = 1; ; attempt++) {
    const item = await getItem<Out>(handle, key);
    if (item && item.etag === undefined) throw withoutEtag(opened.name, key);
    const next = await change(item?.value, item);
    if (next === undefined) return item?.value;
    const unchanged = item ? { etag: item.etag } : { concurrency: "first-write" as const };
    try {
      const ttl = ttlInSeconds ?? remaining(item, opened.clock.now());
      await set(handle, key, next, { ...unchanged, ttlInSeconds: ttl });
      return next;
    } catch (error) {
      if (!ApiError.is(error, "etag-mismatch") || attempt >= attempts) throw error;
      opened.onEvent?.({ type: "state.conflict", component: opened.name, key, attempt });
      await opened.clock.sleep(backoff(attempt, opened.random), call.signal);
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

/** What is left of the item's time: an update does not make an item that ends one that stays. */
function remaining(item: Item<unknown> | undefined, now: number): number | undefined {
  if (!item?.ttlExpireTime) return undefined;
  return Math.max(1, Math.floor((item.ttlExpireTime.getTime() - now) / 1000));
}

/** Full jitter, up to 2 ms doubling to 256 ms: writers that collided do not collide again in step. */
function backoff(attempt: number, random: Random): number {
  return random.number() * 2 ** Math.min(attempt, 8);
}
