import type { ApiError } from "../../errors.ts";

/** How a write treats what is already there. */
export type Concurrency = "first-write" | "last-write";
export type Consistency = "strong" | "eventual";

export interface Item<V> {
  readonly key: string;
  readonly value: V;
  /** Opaque; give it back with a write to make sure that nobody wrote in between. */
  readonly etag: string | undefined;
  /** When the item ends, to the second; absent for one that stays. */
  readonly ttlExpireTime: Date | undefined;
}

export interface GetOptions {
  /** Default: the strongest that the store has. One that has no strong reads refuses `strong`. */
  readonly consistency?: Consistency | undefined;
}

export interface ListOptions {
  /** Only keys that start with it. */
  readonly prefix?: string;
  /** Keys in one page, 1 to 1000; default 100. */
  readonly limit?: number;
  /** The `cursor` of the page before. */
  readonly cursor?: string;
}

export interface WriteOptions {
  /** Write only if the stored item has this ETag; an absent item has none. Not empty. */
  readonly etag?: string | undefined;
  /** `first-write` without an ETag writes only if there is no item. Default `last-write`. */
  readonly concurrency?: Concurrency;
  /** `strong` resolves once the replicas have the write, where the store replicates later. */
  readonly consistency?: Consistency | undefined;
  /** Whole seconds until the item ends; 0, -1 and absence mean that it stays. At most 2147483647, as in Dapr. */
  readonly ttlInSeconds?: number | undefined;
}

export interface BulkOptions {
  /** Calls to the store at a time; default 16. */
  readonly parallelism?: number;
}

export type BulkItem<V> =
  | (Item<V> & { readonly error?: undefined })
  /** There is no item. */
  | {
      readonly key: string;
      readonly value?: undefined;
      readonly etag?: undefined;
      readonly ttlExpireTime?: undefined;
      readonly error?: undefined;
    }
  /** The item could not be read; the others were. */
  | {
      readonly key: string;
      readonly value?: undefined;
      readonly etag?: undefined;
      readonly ttlExpireTime?: undefined;
      readonly error: ApiError;
    };

export type Operation<V> =
  | ({ readonly operation: "upsert"; readonly key: string; readonly value: V } & WriteOptions)
  | { readonly operation: "delete"; readonly key: string; readonly etag?: string | undefined };

export interface UpdateOptions extends Pick<WriteOptions, "ttlInSeconds"> {
  /** Attempts before the conflict is thrown; default 100. */
  readonly attempts?: number;
}

/**
 * Dapr's state block on one store. Values are JSON, or bytes (`Uint8Array`, `ArrayBuffer`), which come back as
 * `Uint8Array`. Every method throws {@link ApiError} and, where the invocation was aborted, the signal's reason.
 */
export interface State<In = unknown, Out = In> {
  /** The value, or undefined when there is none. */
  get<T = Out>(key: string, options?: GetOptions): Promise<T | undefined>;
  /** Value, ETag and expiry, or undefined when there is no item. */
  getItem<T = Out>(key: string, options?: GetOptions): Promise<Item<T> | undefined>;
  /** One entry per key, in their order. */
  getBulk<T = Out>(
    keys: readonly string[],
    options?: GetOptions & BulkOptions,
  ): Promise<BulkItem<T>[]>;
  /** Resolves to the new ETag, where the store has ETags. */
  set(key: string, value: In, options?: WriteOptions): Promise<string | undefined>;
  /** Not atomic: throws one error whose `failures` name the keys that were not written, after trying all. */
  setBulk(
    items: readonly ({ readonly key: string; readonly value: In } & WriteOptions)[],
    options?: BulkOptions,
  ): Promise<void>;
  /** Deleting what is not there succeeds, unless an ETag is given. */
  delete(key: string, options?: { readonly etag?: string | undefined }): Promise<void>;
  /** Not atomic, as `setBulk`. */
  deleteBulk(
    items: readonly (string | { readonly key: string; readonly etag?: string | undefined })[],
    options?: BulkOptions,
  ): Promise<void>;
  /** All or none, as if one after the other. What the store refuses is `ERR_STATE_TRANSACTION`, a lost race included. */
  transaction(operations: readonly Operation<In>[]): Promise<void>;
  /**
   * Reads, calls `change`, and writes what it returns unless somebody else wrote in between, in which case
   * it starts again, so `change` may run several times. Returning undefined writes nothing.
   * Resolves to what `change` returned last, or to the value that was there where that is undefined.
   */
  update<T = Out, N extends In = In>(
    key: string,
    change: (
      value: T | undefined,
      item: Item<T> | undefined,
    ) => N | undefined | Promise<N | undefined>,
    options?: UpdateOptions,
  ): Promise<N | T | undefined>;
  /** Keys page by page, in the store's own order. Refused by stores without `LIST`. */
  list(
    options?: ListOptions,
  ): Promise<{ readonly keys: string[]; readonly cursor: string | undefined }>;
  /** The platform's own client. */
  native<T = unknown>(): T;
}
