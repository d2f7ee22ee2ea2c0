import type { Call } from "../../contracts/host.ts";
import type { StateFeature, StateStore, StoredItem } from "../../contracts/state.ts";
import { ApiError, ComponentError } from "../../errors.ts";
import type { StateCallName } from "../../events.ts";
import type { Opened } from "../../opened.ts";
import { checkKey } from "../keys.ts";
import { type StandardSchema, validate } from "../schema.ts";
import type { Item } from "./api.ts";
import { decodeValue } from "./codec.ts";
import { toStateError } from "./errors.ts";

/** A store that the runtime has opened. */
export interface OpenedState extends Opened<StateStore> {
  /** Put before every key. */
  readonly prefix: string;
}

/** A store on behalf of one invocation. */
export interface Handle {
  readonly opened: OpenedState;
  readonly call: Call;
  readonly schema: StandardSchema | undefined;
  /** Part of a call that was counted in already. */
  readonly inside?: true;
}

/** Counts, reports and translates one call; the only place that does. */
export async function perform<T>(
  { opened, call, inside }: Handle,
  operation: StateCallName,
  key: string | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const { name, clock, onEvent } = opened;
  if (!inside) opened.enter();
  const started = onEvent && clock.now();
  let failed: ApiError | undefined;
  try {
    call.signal?.throwIfAborted();
    return await run();
  } catch (cause) {
    failed = toStateError(name, operation, key, cause);
    // Whoever aborted expects to get back what they aborted with.
    throw call.signal?.aborted && cause === call.signal.reason ? cause : failed;
  } finally {
    if (!inside) opened.leave();
    if (started !== undefined) {
      const error = failed && { code: failed.code, kind: failed.kind };
      const durationMs = clock.now() - started;
      onEvent?.({ type: "state.call", component: name, operation, durationMs, error });
    }
  }
}

/** Refuses what the store did not claim: nothing is emulated, and nothing is left out in silence. */
export function need({ name, features }: OpenedState, feature: StateFeature, what: string): void {
  if (features.has(feature)) return;
  throw new ApiError(
    "ERR_STATE_STORE_NOT_SUPPORTED",
    `state store ${name} does not support ${what}: it lacks ${feature}`,
    { kind: "unsupported" },
  );
}

export function storedKey({ prefix }: OpenedState, key: string): string {
  checkKey(key);
  return prefix + key;
}

export async function toItem<T>(
  { schema }: Handle,
  key: string,
  { value, etag, expires }: StoredItem,
): Promise<Item<T>> {
  let decoded = decodeValue(value, key);
  if (schema) {
    const result = await validate(schema, decoded);
    if ("problem" in result) {
      const text = `the stored value of ${key} does not fit its schema: ${result.problem}`;
      throw new ComponentError("corrupt", text);
    }
    decoded = result.value;
  }
  const ttlExpireTime = expires === undefined ? undefined : new Date(expires * 1000);
  return { key, value: decoded as T, etag, ttlExpireTime };
}
