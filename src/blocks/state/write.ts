import type { SetOptions, StateOperation } from "../../contracts/state.ts";
import { ApiError, ComponentError, type KeyFailure, kinds, malformed } from "../../errors.ts";
import { parallel } from "../parallel.ts";
import { validate } from "../schema.ts";
import type { BulkOptions, Operation, WriteOptions } from "./api.ts";
import { encodeValue } from "./codec.ts";
import { toStateError } from "./errors.ts";
import { type Handle, need, perform, storedKey } from "./handle.ts";
import { matching, parallelismOf, writeOptions } from "./options.ts";
import { mergeOperations } from "./transaction.ts";

export function set(handle: Handle, key: string, value: unknown, options?: WriteOptions) {
  return perform(handle, "set", key, () => write(handle, key, value, options));
}

/** As `set`, under options that are checked already. */
export function setChecked(handle: Handle, key: string, value: unknown, options: SetOptions) {
  return perform(handle, "set", key, () => store(handle, key, value, options));
}

export function remove(handle: Handle, key: string, etag: string | undefined): Promise<void> {
  return perform(handle, "delete", key, () => erase(handle, key, etag));
}

type KeyedValue = { readonly key: string; readonly value: unknown } & WriteOptions;
type KeyedEtag = { readonly key: string; readonly etag?: string | undefined };

export function setBulk(handle: Handle, items: readonly KeyedValue[], options?: BulkOptions) {
  return perform(handle, "setBulk", undefined, () =>
    each(handle, "set", items, options, (item) => write(handle, item.key, item.value, item)),
  );
}

export function removeBulk(
  handle: Handle,
  items: readonly (string | KeyedEtag)[],
  options?: BulkOptions,
) {
  return perform(handle, "deleteBulk", undefined, async () => {
    const keyed = items.map((item) => (typeof item === "string" ? { key: item } : item));
    await each<KeyedEtag>(handle, "delete", keyed, options, ({ key, etag }) =>
      erase(handle, key, etag),
    );
  });
}

export function transaction(handle: Handle, operations: readonly Operation<unknown>[]) {
  const { opened, call } = handle;
  const { name } = opened;
  return perform(handle, "transaction", undefined, async () => {
    need(opened, "TRANSACTIONAL", "transactions");
    if (operations.length === 0) return;
    const encoded = operations.map((operation) => toStoreOperation(handle, operation));
    const merged = mergeOperations(await Promise.all(encoded));
    const { maxOperations = merged.length } = opened.instance;
    if (merged.length > maxOperations) {
      throw new ApiError(
        "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
        `the transaction has ${merged.length} operations, and state store ${name} takes at most ${maxOperations}: nothing was written`,
        { kind: "invalid" },
      );
    }
    await opened.instance.transaction?.(merged, call);
  });
}

/** May throw where it could reject, as `store` may: a promise less for every write. */
function write(handle: Handle, key: string, value: unknown, options?: WriteOptions) {
  return store(handle, key, value, writeOptions(handle.opened, options));
}

function store(handle: Handle, key: string, value: unknown, options: SetOptions) {
  const { opened, call, schema } = handle;
  const stored = storedKey(opened, key);
  const put = () => opened.instance.set(stored, encodeValue(value, key), options, call);
  return schema ? checkValue(handle, key, value).then(put) : put();
}

async function erase({ opened, call }: Handle, key: string, etag: string | undefined) {
  await opened.instance.delete(storedKey(opened, key), { when: matching(opened, etag) }, call);
}

async function toStoreOperation(
  handle: Handle,
  operation: Operation<unknown>,
): Promise<StateOperation> {
  const { opened } = handle;
  const key = storedKey(opened, operation.key);
  if (operation.operation === "delete") {
    return { operation: "delete", key, when: matching(opened, operation.etag) };
  }
  if (operation.operation !== "upsert") {
    const { operation: other } = operation as { readonly operation: unknown };
    throw malformed(`operation ${JSON.stringify(other)} is neither upsert nor delete`);
  }
  const options = writeOptions(opened, operation);
  if (handle.schema) await checkValue(handle, operation.key, operation.value);
  const value = encodeValue(operation.value, operation.key);
  return { operation: "upsert", key, value, ...options };
}

/** What is stored stays the schema's input, so that reading it applies the schema once, not twice. */
async function checkValue({ schema }: Handle, key: string, value: unknown): Promise<void> {
  const result = schema && (await validate(schema, value));
  if (!result || !("problem" in result)) return;
  throw new ComponentError(
    "invalid",
    `the value of ${key} does not fit its schema: ${result.problem}`,
  );
}

/** Tries every item and throws one error for those that failed. */
async function each<T extends { readonly key: string }>(
  { opened }: Handle,
  operation: "set" | "delete",
  items: readonly T[],
  options: BulkOptions | undefined,
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  const outcomes = new Array<KeyFailure | undefined>(items.length);
  await parallel([...items.entries()], parallelismOf(options), async ([index, item]) => {
    try {
      await run(item);
    } catch (cause) {
      const error = toStateError(opened.name, operation, item.key, cause);
      outcomes[index] = { key: item.key, error };
    }
  });
  const failures = outcomes.filter((outcome) => outcome !== undefined);
  if (failures.length > 0) throw joined(failures, items.length);
}

function joined(failures: readonly KeyFailure[], total: number): ApiError {
  const { code, kind } = (failures[0] as KeyFailure).error;
  // One kind and status for the whole call, where the failures agree on it.
  const agreed = failures.every((failure) => failure.error.kind === kind) ? kind : undefined;
  const texts = failures.map(({ error }) => error.message).join("; ");
  return new ApiError(code, `${failures.length} of ${total} keys failed: ${texts}`, {
    kind: agreed,
    status: agreed && kinds[agreed],
    failures,
  });
}
