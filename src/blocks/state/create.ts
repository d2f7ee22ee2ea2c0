import type { Call } from "../../contracts/host.ts";
import { native } from "../../opened.ts";
import type { StandardSchema } from "../schema.ts";
import type { State } from "./api.ts";
import type { Handle, OpenedState } from "./handle.ts";
import { getBulk, getItem, list } from "./read.ts";
import { update } from "./update.ts";
import { remove, removeBulk, set, setBulk, transaction } from "./write.ts";

/** The state block on one store, for one invocation. */
export function createState(opened: OpenedState, call: Call, schema?: StandardSchema): State {
  const handle: Handle = { opened, call, schema };
  return {
    get: async <T>(key: string, options?: object) =>
      (await getItem<T>(handle, key, options))?.value,
    getItem: (key, options) => getItem(handle, key, options),
    getBulk: (keys, options) => getBulk(handle, keys, options),
    set: (key, value, options) => set(handle, key, value, options),
    setBulk: (items, options) => setBulk(handle, items, options),
    delete: (key, options) => remove(handle, key, options?.etag),
    deleteBulk: (items, options) => removeBulk(handle, items, options),
    transaction: (operations) => transaction(handle, operations),
    update: (key, change, options) => update(handle, key, change, options),
    list: (options) => list(handle, options),
    native: <T>() => native<T>(opened, call),
  };
}
