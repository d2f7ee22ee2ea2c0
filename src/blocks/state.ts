import type { Call, Clock, Random } from "../contracts/host.ts";
import type { Precondition, StateFeature, StateOperation, StateStore, StoredItem } from "../contracts/state.ts";
import { ApiError, ComponentError, type KeyFailure, kinds } from "../errors.ts";
import type { Listener, StateCallName } from "../events.ts";
import { decodeValue, encodeValue } from "./codec.ts";
import { checkKey } from "./keys.ts";
import { parallel } from "./parallel.ts";
import { type StandardSchema, validate } from "./schema.ts";
import type { BulkItem, BulkOptions, Consistency, GetOptions, Item, Operation, State, WriteOptions } from "./state-api.ts";
import { toStateError } from "./state-errors.ts";
import { mergeOperations } from "./transaction.ts";

/** A store that the runtime has opened, with what core needs to know about it. */
export interface OpenedState {
  readonly name: string;
  readonly store: StateStore;
  readonly features: ReadonlySet<string>;
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: Listener | undefined;
  /** Counts a call in; throws once the runtime closes. */
  enter(): void;
  leave(): void;
}

const DEFAULT_PARALLELISM = 16;
const MAX_PAGE = 1000;
/** Dapr refuses a time to live that does not fit in 32 bits. */
const MAX_TTL = 2_147_483_647;

export function createState(opened: OpenedState, call: Call, schema?: StandardSchema): State {
  const { name, store, features, prefix, clock, random, onEvent } = opened;

  const state: State = {
    async get<T>(key: string, options?: GetOptions) {
      return (await state.getItem<T>(key, options))?.value;
    },

    getItem: (key, options) => perform("get", key, async () => {
      const item = await store.get(stored(key), { consistency: consistencyOf(options) }, call);
      return item && open(key, item);
    }),

    getBulk: (keys, options) => perform("getBulk", undefined, async () => {
      const read = { consistency: consistencyOf(options) };
      const full = keys.map(stored);
      if (!store.getBulk) {
        return parallel(keys, parallelismOf(options), async (key, index) => {
          try {
            return await entry(key, await store.get(full[index] as string, read, call));
          } catch (cause) {
            return { key, error: toStateError(name, "get", key, cause) };
          }
        });
      }
      const items = await store.getBulk(full, read, call);
      return Promise.all(keys.map((key, index) => entry(key, items[index])));
    }) as Promise<never>,

    set: (key, value, options) => perform("set", key, () => write(key, value, options)),

    setBulk: (items, options) => perform("setBulk", undefined, () =>
      each("set", items, (item) => write(item.key, item.value, item), options)),

    delete: (key, options) => perform("delete", key, () => remove(key, options?.etag)),

    deleteBulk: (items, options) => perform("deleteBulk", undefined, () => {
      const targets = items.map((item) => (typeof item === "string" ? { key: item } : item));
      return each("delete", targets, ({ key, etag }: { key: string; etag?: string | undefined }) => remove(key, etag), options);
    }),

    transaction: (operations) => perform("transaction", undefined, async () => {
      require("TRANSACTIONAL", "transactions");
      if (operations.length === 0) return;
      const merged = mergeOperations(await Promise.all(operations.map(toStoreOperation)));
      const { maxOperations = merged.length } = store;
      if (merged.length > maxOperations) {
        throw new ApiError(
          "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
          `the transaction has ${merged.length} operations, and state store ${name} takes at most ${maxOperations}: nothing was written`,
          { kind: "invalid" },
        );
      }
      await store.transaction?.(merged, call);
    }),

    async update(key, change, options) {
      require("ETAG", "update()");
      const attempts = options?.attempts ?? 100;
      for (let attempt = 1; ; attempt++) {
        const item = await state.getItem(key);
        const next = await change(item?.value, item);
        if (next === undefined) return item?.value;
        const match = item ? { etag: item.etag } : { concurrency: "first-write" as const };
        try {
          await state.set(key, next, { ...match, ttlInSeconds: options?.ttlInSeconds ?? remaining(item) });
          return next;
        } catch (error) {
          if (!ApiError.is(error, "etag-mismatch") || attempt >= attempts) throw error;
          onEvent?.({ type: "state.conflict", component: name, key, attempt });
          await clock.sleep(backoff(attempt), call.signal);
        }
      }
    },

    list: (options = {}) => perform("list", undefined, async () => {
      require("LIST", "listing keys");
      const { prefix: wanted = "", limit = 100, cursor } = options;
      if (wanted) checkKey(wanted, "prefix");
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
        throw malformed(`limit must be a whole number from 1 to ${MAX_PAGE}, not ${limit}`);
      }
      const page = await store.list?.(prefix + wanted, limit, cursor, call);
      const keys = page?.keys.map((key) => key.slice(prefix.length)) ?? [];
      // Actor and workflow rows lie under the same prefix; they are not keys of this block.
      return { keys: keys.filter((key) => !key.includes("||")), cursor: page?.cursor };
    }),

    native: <T>() => store.native(call) as T,
  };
  return state;

  /** Counts, reports and translates one call; the only place that does. */
  async function perform<T>(operation: StateCallName, key: string | undefined, run: () => Promise<T>): Promise<T> {
    opened.enter();
    const started = onEvent && clock.now();
    try {
      call.signal?.throwIfAborted();
      const result = await run();
      if (started !== undefined) onEvent?.({ type: "state.call", component: name, operation, durationMs: clock.now() - started });
      return result;
    } catch (cause) {
      if (call.signal?.aborted && cause === call.signal.reason) throw cause;
      const error = toStateError(name, operation, key, cause);
      if (started !== undefined) {
        onEvent?.({ type: "state.call", component: name, operation, durationMs: clock.now() - started, error: { code: error.code, kind: error.kind } });
      }
      throw error;
    } finally {
      opened.leave();
    }
  }

  function stored(key: string): string {
    checkKey(key);
    return prefix + key;
  }

  async function write(key: string, value: unknown, options: WriteOptions = {}): Promise<string | undefined> {
    const full = stored(key);
    const checked = writeOptions(options);
    return store.set(full, encodeValue(await accepted(key, value), key), checked, call);
  }

  async function remove(key: string, etag: string | undefined): Promise<void> {
    await store.delete(stored(key), { etag: etagOf(etag) }, call);
  }

  async function toStoreOperation(operation: Operation<unknown>): Promise<StateOperation> {
    const key = stored(operation.key);
    if (operation.operation === "delete") return { operation: "delete", key, etag: etagOf(operation.etag) };
    if (operation.operation !== "upsert") {
      throw malformed(`operation ${JSON.stringify((operation as { operation: unknown }).operation)} is neither upsert nor delete`);
    }
    const options = writeOptions(operation);
    return { operation: "upsert", key, value: encodeValue(await accepted(operation.key, operation.value), operation.key), ...options };
  }

  function writeOptions({ etag, concurrency, consistency, ttlInSeconds = 0 }: WriteOptions) {
    if (concurrency !== undefined && concurrency !== "first-write" && concurrency !== "last-write") {
      throw malformed(`unrecognized concurrency model '${concurrency}'`);
    }
    consistencyOf({ consistency });
    if (!Number.isInteger(ttlInSeconds) || ttlInSeconds < -1 || ttlInSeconds > MAX_TTL) {
      throw malformed(`ttlInSeconds must be a whole number from -1 to ${MAX_TTL}, not ${JSON.stringify(ttlInSeconds)}`);
    }
    if (ttlInSeconds > 0) require("TTL", "ttlInSeconds");
    const match = etagOf(etag);
    if (concurrency === "first-write") require("ETAG", "first-write");
    const when: Precondition | undefined = match !== undefined ? { etag: match } : concurrency === "first-write" ? "absent" : undefined;
    return { when, ttl: ttlInSeconds > 0 ? ttlInSeconds : undefined };
  }

  /** Dapr takes an empty ETag for none. In process that would turn a lost ETag into a blind write, so it is refused. */
  function etagOf(etag: string | undefined): string | undefined {
    if (etag === undefined) return undefined;
    if (typeof etag !== "string" || etag === "") {
      throw new ComponentError("etag-invalid", "an etag must be text that is not empty: leave it out to write in any case");
    }
    require("ETAG", "etag");
    return etag;
  }

  function require(feature: StateFeature, what: string): void {
    if (features.has(feature)) return;
    throw new ApiError("ERR_STATE_STORE_NOT_SUPPORTED", `state store ${name} does not support ${what}: it lacks ${feature}`, { kind: "unsupported" });
  }

  async function accepted(key: string, value: unknown): Promise<unknown> {
    if (!schema) return value;
    const result = await validate(schema, value);
    if ("problem" in result) throw new ComponentError("invalid", `the value of ${key} does not fit its schema: ${result.problem}`);
    // What is stored stays the schema's input, so that reading it applies the schema once, not twice.
    return value;
  }

  async function open<T>(key: string, item: StoredItem): Promise<Item<T>> {
    const { etag, expires } = item;
    let value = decodeValue(item.value, key);
    if (schema) {
      const result = await validate(schema, value);
      if ("problem" in result) throw new ComponentError("invalid", `the stored value of ${key} does not fit its schema: ${result.problem}`);
      value = result.value;
    }
    return { key, value: value as T, etag, ttlExpireTime: expires === undefined ? undefined : new Date(expires * 1000) };
  }

  async function entry<T>(key: string, item: StoredItem | undefined): Promise<BulkItem<T>> {
    if (!item) return { key };
    try {
      return await open<T>(key, item);
    } catch (cause) {
      return { key, error: toStateError(name, "get", key, cause) };
    }
  }

  /** Tries every item and throws one error for those that failed. */
  async function each<T extends { readonly key: string }>(
    operation: "set" | "delete",
    items: readonly T[],
    run: (item: T) => Promise<unknown>,
    options: BulkOptions | undefined,
  ): Promise<void> {
    const failures: KeyFailure[] = [];
    await parallel(items, parallelismOf(options), async (item) => {
      try {
        await run(item);
      } catch (cause) {
        failures.push({ key: item.key, error: toStateError(name, operation, item.key, cause) });
      }
    });
    const [first] = failures;
    if (!first) return;
    const { code, kind } = first.error;
    // One status for the whole call: that of the failures where they agree.
    const agreed = failures.every((failure) => failure.error.kind === kind) ? kind : undefined;
    const message = `${failures.length} of ${items.length} keys failed: ${failures.map(({ error }) => error.message).join("; ")}`;
    throw new ApiError(code, message, { kind: agreed, status: agreed && kinds[agreed].status, failures, cause: first.error });
  }

  /** What is left of the item's time: an update does not make an item that ends one that stays. */
  function remaining(item: Item<unknown> | undefined): number | undefined {
    if (!item?.ttlExpireTime) return undefined;
    return Math.max(1, Math.ceil((item.ttlExpireTime.getTime() - clock.now()) / 1000));
  }

  /** Full jitter, 2 ms doubling up to 256 ms: writers that collided do not collide again in step. */
  function backoff(attempt: number): number {
    return random.number() * 2 ** Math.min(attempt, 8);
  }
}

function consistencyOf(options: GetOptions | undefined): Consistency {
  const consistency = options?.consistency ?? "strong";
  if (consistency === "strong" || consistency === "eventual") return consistency;
  throw malformed(`unrecognized consistency model '${consistency}'`);
}

function parallelismOf(options: BulkOptions | undefined): number {
  const parallelism = options?.parallelism ?? DEFAULT_PARALLELISM;
  if (Number.isInteger(parallelism) && parallelism > 0) return parallelism;
  throw malformed(`parallelism must be a whole number above 0, not ${parallelism}`);
}

function malformed(message: string): ApiError {
  return new ApiError("ERR_MALFORMED_REQUEST", message, { kind: "invalid" });
}
