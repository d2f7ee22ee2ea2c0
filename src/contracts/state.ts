import type { ComponentError } from "../errors.ts";
import { settingsOf } from "../settings.ts";
import type { Component, Fields, Options, Settings } from "./component.ts";
import type { Call, Clock, Host, Target } from "./host.ts";

/** Dapr's names for what a store can do, and `LIST`: keys by prefix, page by page. */
export type StateFeature = "ETAG" | "TRANSACTIONAL" | "TTL" | "LIST";

/**
 * JSON text passes through unparsed; bytes stay bytes. A store whose layout does not say which of the two it
 * holds reads text with `raw`: the same as bytes, which it is when the text turns out not to be JSON.
 */
export type StoredValue =
  | { readonly json: string; readonly raw?: Uint8Array }
  | { readonly bytes: Uint8Array };

export interface StoredItem {
  readonly value: StoredValue;
  readonly etag: string | undefined;
  /** When the item ends, in whole seconds since the epoch. */
  readonly expires: number | undefined;
}

/** What must be true of the stored item for a write to happen: it has this ETag, or there is none. */
export type Precondition = { readonly etag: string } | "absent";

export interface ReadOptions {
  /** Absent: the strongest that the store has. MUST be refused as "unsupported" when it is "strong" and the store has no such reads. */
  readonly consistency?: "strong" | "eventual" | undefined;
}

export interface SetOptions {
  readonly when?: Precondition | undefined;
  /** Whole seconds; 0 ends with the second that has begun. A write without it takes away an earlier one. */
  readonly ttl?: number | undefined;
  /** `strong`: not until the replicas have it, where the service writes to them later. */
  readonly consistency?: ReadOptions["consistency"];
}

export interface DeleteOptions {
  readonly when?: Exclude<Precondition, "absent"> | undefined;
}

export type StateOperation =
  | ({
      readonly operation: "upsert";
      readonly key: string;
      readonly value: StoredValue;
    } & SetOptions)
  | ({ readonly operation: "delete"; readonly key: string } & DeleteOptions);

export interface KeyPage {
  readonly keys: readonly string[];
  /** Where the next page starts; absent on the last page. */
  readonly cursor?: string | undefined;
}

/**
 * A store of items by key. Keys arrive with their prefix, values encoded, options checked against
 * the declared features, so a store never sees what it did not claim.
 * An expired item MUST be treated as absent by every method, also where it still takes up space.
 */
export interface StateStore {
  /** The most operations in one transaction, where the service has a limit. */
  readonly maxOperations?: number;

  get(key: string, options: ReadOptions, call: Call): Promise<StoredItem | undefined>;

  /** The most keys in one `getBulk`, where the service has a limit. Core makes as many calls as it takes. */
  readonly maxBulkKeys?: number;

  /**
   * MUST have one entry per key, in the order of `keys`, which are told apart: an error in the place of an item
   * that cannot be read. Without it, core gets one by one.
   */
  getBulk?(
    keys: readonly string[],
    options: ReadOptions,
    call: Call,
  ): Promise<readonly (StoredItem | ComponentError | undefined)[]>;

  /**
   * MUST compare and write in one step, and MUST throw `ComponentError` "etag-mismatch" when
   * `when` does not hold. Resolves to the new ETag, where the store has ETags.
   */
  set(
    key: string,
    value: StoredValue,
    options: SetOptions,
    call: Call,
  ): Promise<string | undefined>;

  /** MUST succeed when the key is absent and `when` is not given; with it, absent is a mismatch. */
  delete(key: string, options: DeleteOptions, call: Call): Promise<void>;

  /** MUST apply all or none. No two operations have the same key. */
  transaction?(operations: readonly StateOperation[], call: Call): Promise<void>;

  /** Keys that start with `prefix`, each once, in the store's own order. */
  list?(prefix: string, limit: number, cursor: string | undefined, call: Call): Promise<KeyPage>;

  /**
   * Makes the first connection, and checks what it was promised, for a process that wants to know when it starts.
   * MUST throw "config" for what waiting does not mend. Without it, or before it, the first call does the same.
   */
  init?(call: Call): Promise<void>;

  /** The platform's own client. */
  native(call: Call): unknown;

  /** MUST be safe to call twice. */
  close?(): Promise<void>;
}

/** Settings that every state store has; core obeys them. */
const common = {
  keyPrefix: {
    type: "string",
    description:
      "Before `||` in keys: `appid`, `namespace` (NAMESPACE.appid), `name`, `none`, or other text in lower case.",
    default: "appid",
  },
} as const satisfies Fields;

export interface StateStoreDefinition<F extends Fields> {
  readonly type: `state.${string}`;
  /** Dapr's version of the type, where there is more than one. Default `v1`. */
  readonly version?: string;
  readonly fields: F;
  readonly runsOn: readonly Target[];
  readonly clock: "host" | "server";
  features(settings: Settings<F>): readonly StateFeature[];
  open(settings: Settings<F>, host: Host, name: string): StateStore;
}

type Common = typeof common;

/** Declares a state store. Mark the call `@__PURE__` and keep the fields literal, or bundlers keep it unused. */
export function stateStore<const F extends Fields>(
  definition: StateStoreDefinition<F>,
): (options: Options<F & Common>) => Component<"state"> {
  const { type, version, runsOn, clock } = definition;
  const fields: F & Common = { ...definition.fields, ...common };
  // TypeScript cannot see that the settings of more fields hold those of fewer.
  const settings = (options: Options<F & Common>, component: string) =>
    settingsOf(fields, options, component) as unknown as Settings<F>;
  return (options) => ({
    type,
    version,
    runsOn,
    clock,
    fields,
    options,
    get features() {
      return definition.features(settings(options, type));
    },
    open: (host, name) => definition.open(settings(options, name), host, name),
  });
}

/** When an item written now ends, in whole seconds since the epoch: up to a second late, never early. */
export function expiryOf(ttl: number | undefined, clock: Clock): number | undefined {
  return ttl === undefined ? undefined : Math.ceil(clock.now() / 1000) + ttl;
}
