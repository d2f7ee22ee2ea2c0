import type { Settings } from "../src/contracts/component.ts";
import type { Call, Host } from "../src/contracts/host.ts";
import {
  type ReadOptions,
  type StateOperation,
  type StateStore,
  type StoredItem,
  stateStore,
} from "../src/contracts/state.ts";
import { ComponentError } from "../src/errors.ts";
import { type Reply, toItem, toVersions, writeCall, writeScript } from "./_redis.ts";
import { patternOf, picker, toPage } from "./_redis-list.ts";
import { link } from "./_upstash-client.ts";
import { readAllScript, scanScript, toKeys, toReply, typesScript } from "./_upstash-scripts.ts";

const fields = {
  url: {
    type: "string",
    description: "Address of the database's REST API. Default: UPSTASH_REDIS_REST_URL.",
  },
  token: {
    type: "string",
    sensitive: true,
    description: "Token of the REST API, one that may write. Default: UPSTASH_REDIS_REST_TOKEN.",
  },
  timeout: {
    type: "duration",
    aliases: ["timeoutInSeconds"],
    default: 10,
    description: "How long a call waits for its answer. A call is sent once.",
  },
  client: {
    type: "code",
    description:
      "A client of @upstash/redis of your own, in place of url and token. Its options decide about sending again: set retry to { retries: 0 }, and on Workers enableAutoPipelining to false.",
  },
} as const;

/** State in Upstash Redis over HTTP, in Dapr's hashes: the items of Dapr's Redis store on the same database. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.upstash",
  runsOn: ["node", "workers", "lambda"],
  clock: "server",
  fields,
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: upstashStore,
});

/** Keys whose values still make an answer of sensible size. */
const MAX_KEYS = 100;
/** Keys that the server looks at in one step of a listing; in between it serves others. */
const STEP = "1000";

function upstashStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const upstash = link(settings, host, name);
  const options = { random: host.random, ttl: undefined, bytes: "text" } as const;

  return {
    maxBulkKeys: MAX_KEYS,

    /** A token that may only read is refused, as it would be by the first write. */
    async init(call) {
      await upstash.run("return 1", [], [], call);
    },

    async get(key, read, call) {
      const [reply] = await readAll([key], read, call);
      return toItem(toReply(reply), key, name);
    },

    async getBulk(keys, read, call) {
      const replies = await readAll(keys, read, call);
      return keys.map((key, index) => itemOrError(replies[index], key));
    },

    async set(key, value, options, call) {
      const [version] = await write([{ operation: "upsert", key, value, ...options }], call);
      return version;
    },

    async delete(key, options, call) {
      await write([{ operation: "delete", key, ...options }], call);
    },

    async transaction(operations, call) {
      await write(operations, call);
    },

    async list(prefix, limit, after, call) {
      const pattern = patternOf(prefix);
      const keys = picker(limit, after);
      let cursor = "0";
      do {
        const step = await upstash.run(scanScript, [], [cursor, pattern, STEP], call);
        const [next, ...found] = Array.isArray(step) ? (step as readonly Reply[]) : [];
        if (!/^\d+$/.test(String(next))) {
          throw new ComponentError("unavailable", `component ${name}: what answered is not a scan`);
        }
        keys.add(toKeys(found));
        cursor = String(next);
      } while (cursor !== "0");
      const picked = keys.picked();
      const types = picked.length > 0 ? await upstash.run(typesScript, picked, [], call) : [];
      return toPage(picked, types as readonly string[], limit);
    },

    native: () => upstash.native(),
  };

  /** EVAL runs where writes do; EVAL_RO may run on a replica, and so answer what was. */
  async function readAll(keys: readonly string[], { consistency }: ReadOptions, call: Call) {
    const replica = consistency === "eventual";
    const replies = await upstash.run(readAllScript, [...keys], [], call, replica);
    if (Array.isArray(replies) && replies.length === keys.length) return replies;
    throw new ComponentError("unavailable", `component ${name}: what answered is none of a read`);
  }

  async function write(operations: readonly StateOperation[], call: Call): Promise<string[]> {
    operations.forEach(refuseStrong);
    const { keys, args } = writeCall(operations, options);
    // Bytes travel as text, so every argument is.
    const reply = await upstash.run(writeScript, [...keys], args as string[], call);
    return toVersions(reply, keys);
  }

  function refuseStrong(operation: StateOperation): void {
    if (operation.operation === "delete" || operation.consistency !== "strong") return;
    throw new ComponentError(
      "unsupported",
      `component ${name}: Upstash answers a write before its replicas have it: leave consistency out`,
    );
  }

  function itemOrError(
    reply: Reply | undefined,
    key: string,
  ): StoredItem | ComponentError | undefined {
    try {
      return toItem(toReply(reply), key, name);
    } catch (error) {
      if (ComponentError.is(error)) return error;
      throw error;
    }
  }
}
