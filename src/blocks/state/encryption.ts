import type { Component } from "../../contracts/component.ts";
import type { Call, Host } from "../../contracts/host.ts";
import type { StateOperation, StateStore, StoredItem, StoredValue } from "../../contracts/state.ts";
import { ComponentError } from "../../errors.ts";
import { type EncryptionOptions, type Keyring, keyring } from "./keyring.ts";

export type { EncryptionOptions, SecretKeyRef } from "./keyring.ts";

/**
 * The same store with its values encrypted as Dapr encrypts them: AES-GCM, and the name of the key beside the value.
 * Keys, ETags and times to live stay readable, and so does what actors and workflows store.
 * A value that is not encrypted, or not under one of the two keys, fails as "corrupt".
 */
export function encrypted(
  component: Component<"state">,
  options: EncryptionOptions,
): Component<"state"> {
  const { type, version, fields, runsOn, clock } = component;
  return {
    type,
    version,
    fields,
    runsOn,
    clock,
    options: component.options,
    get features() {
      return component.features;
    },
    open: (host: Host, name: string) =>
      encryptedStore(component.open(host, name), keyring(options, host, name)),
  };
}

function encryptedStore(store: StateStore, keys: Keyring): StateStore {
  const { maxOperations, maxBulkKeys, list } = store;
  return {
    ...(maxOperations !== undefined && { maxOperations }),
    ...(maxBulkKeys !== undefined && { maxBulkKeys }),
    async init(call) {
      await keys.load(call);
      await store.init?.(call);
    },
    async get(key, options, call) {
      const item = await store.get(key, options, call);
      return item && opened(keys, key, item, call);
    },
    ...(store.getBulk && {
      async getBulk(names, options, call) {
        const found = (await store.getBulk?.(names, options, call)) ?? [];
        return Promise.all(found.map((item, at) => entry(keys, names[at] as string, item, call)));
      },
    }),
    async set(key, value, options, call) {
      return store.set(key, await sealed(keys, key, value, call), options, call);
    },
    delete: (key, options, call) => store.delete(key, options, call),
    ...(store.transaction && {
      async transaction(operations, call) {
        const all = operations.map((operation) => sealedOperation(keys, operation, call));
        await store.transaction?.(await Promise.all(all), call);
      },
    }),
    ...(list && {
      list: (prefix, limit, cursor, call) => list.call(store, prefix, limit, cursor, call),
    }),
    native: (call) => store.native(call),
    async close() {
      await keys.close();
      await store.close?.();
    },
  };
}

/** Keys of actors and workflows have four parts or more; Dapr encrypts the state block's alone. */
function isReserved(key: string): boolean {
  return key.split("||").length > 3;
}

async function sealedOperation(keys: Keyring, operation: StateOperation, call: Call) {
  if (operation.operation === "delete") return operation;
  const value = await sealed(keys, operation.key, operation.value, call);
  return { ...operation, value };
}

async function sealed(
  keys: Keyring,
  key: string,
  value: StoredValue,
  call: Call,
): Promise<StoredValue> {
  if (isReserved(key)) return value;
  const plain = "bytes" in value ? value.bytes : new TextEncoder().encode(value.json);
  return { bytes: new TextEncoder().encode(await keys.seal(plain, call)) };
}

type Entry = StoredItem | ComponentError | undefined;

async function entry(keys: Keyring, key: string, item: Entry, call: Call): Promise<Entry> {
  if (item === undefined || item instanceof Error) return item;
  return opened(keys, key, item, call).catch((error) => {
    if (ComponentError.is(error, "corrupt")) return error;
    throw error;
  });
}

async function opened(
  keys: Keyring,
  key: string,
  item: StoredItem,
  call: Call,
): Promise<StoredItem> {
  if (isReserved(key)) return item;
  const { value } = item;
  const text = "bytes" in value ? new TextDecoder().decode(value.bytes) : value.json;
  return { ...item, value: toValue(await keys.open(text, key, call)) };
}

/** What was encrypted bears no mark of what it was. */
function toValue(raw: Uint8Array): StoredValue {
  try {
    return { json: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw), raw };
  } catch {
    return { bytes: raw };
  }
}
