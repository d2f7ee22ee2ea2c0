import type { Settings } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import { pubSub } from "../../src/contracts/pubsub.ts";
import {
  type StateOperation,
  type StateStore,
  type StoredItem,
  stateStore,
} from "../../src/contracts/state.ts";
import type { ComponentError } from "../../src/errors.ts";
import { type Reply, toItem, toVersions, type WriteOptions, writeCall } from "../_redis.ts";
import { explain, isLost } from "./_redis-failures.ts";
import { connection, timesOf } from "./_redis-fields.ts";
import { type Link, link } from "./_redis-link.ts";
import { listKeys } from "./_redis-list.ts";
import {
  createScripts,
  evaluate,
  evaluateStrongly,
  type Scripts,
  WAIT_MS,
} from "./_redis-scripts.ts";
import { planOf, refuse } from "./_redis-settings.ts";
import { redisStreams } from "./_redis-stream.ts";
import { streamFields } from "./_redis-stream-settings.ts";
import { type Client, lent, supply, verify } from "./_redis-supply.ts";

const fields = {
  ...connection,
  redisType: {
    ...connection.redisType,
    description:
      "`node`, or `cluster`. In a cluster the keys of one transaction must share a hash tag.",
  },
  ttlInSeconds: {
    type: "number",
    description:
      "Time to live of every write that names none; 0 and less: none. A write cannot lift it.",
  },
  queryIndexes: { type: "string", description: "Refused: Dapr's query API is not built." },
} as const;

/** State in Redis or Valkey, in Dapr's hashes: one server, a cluster, or a master that sentinels watch. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.redis",
  runsOn: ["node", "lambda"],
  clock: "server",
  fields,
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: redisStore,
});

/** Messages in the streams of Redis or Valkey, as Dapr lays them out; needs 6.2 of Redis. */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.redis",
  runsOn: ["node", "lambda"],
  fields: streamFields,
  features: () => ["BULK_PUBSUB"],
  open: redisStreams,
});

function redisStore(given: Settings<typeof fields>, host: Host, name: string): StateStore {
  refuse(given, name);
  const settings = { ...given, ...timesOf(given) };
  const { client, readTimeout, writeTimeout, ttlInSeconds = 0 } = settings;
  const options: WriteOptions = {
    random: host.random,
    ttl: ttlInSeconds > 0 ? ttlInSeconds : undefined,
    bytes: "bytes",
  };
  const ordinary = connect(0);
  /** Of its own, so that no other call waits for replicas. */
  let strong: Link | undefined;
  let scripts: Scripts | undefined;

  return {
    init: (call) => ordinary.run(call, "read", (redis) => verify(redis, name)),

    get: async (key, _options, call) =>
      toItem(await ordinary.run(call, "read", (redis) => read(redis, key)), key, name),

    getBulk: async (keys, _options, call) => {
      const replies = await ordinary.run(call, "read", (redis) =>
        Promise.all(keys.map((key) => read(redis, key).catch(unlessLost))),
      );
      return keys.map((key, index) => settled(replies[index] as Reply | Error, key));
    },

    set: async (key, value, { when, ttl, consistency }, call) => {
      const operation = { operation: "upsert", key, value, when, ttl, consistency } as const;
      const [etag] = toVersions(await write([operation], call), [key]);
      return etag;
    },

    delete: async (key, { when }, call) => {
      toVersions(await write([{ operation: "delete", key, when }], call), [key]);
    },

    transaction: async (operations, call) => {
      const keys = operations.map(({ key }) => key);
      toVersions(await write(operations, call), keys);
    },

    list: (prefix, limit, cursor, call) =>
      listKeys((work) => ordinary.run(call, "read", work), prefix, limit, cursor),

    native: () => ordinary.native(),

    async close() {
      ordinary.close();
      strong?.close();
    },
  };

  function connect(extraMs: number): Link {
    const limits = { read: readTimeout, write: writeTimeout + extraMs };
    const silenceMs = Math.max(limits.read, limits.write);
    return link(
      client
        ? lent(client as Client)
        : supply(settings, planOf(settings, name, silenceMs), host, name),
      { component: name, limits, most: settings.maxPendingCalls },
    );
  }

  function read(redis: Client, key: string): Promise<Reply> {
    scripts ??= createScripts();
    return evaluate(redis, scripts.read, { keys: [key], args: [] }, "bytes");
  }

  function settled(reply: Reply | Error, key: string): StoredItem | ComponentError | undefined {
    if (reply instanceof Error) return explain(reply, name, "read") as ComponentError;
    try {
      return toItem(reply, key, name);
    } catch (error) {
      return error as ComponentError;
    }
  }

  function write(operations: readonly StateOperation[], call: Call): Promise<Reply> {
    const { write: script } = (scripts ??= createScripts());
    const request = writeCall(operations, options);
    if (!operations.some(isStrong)) {
      return ordinary.run(call, "write", (redis) => evaluate(redis, script, request, "text"));
    }
    strong ??= client ? ordinary : connect(WAIT_MS);
    return strong.run(call, "write", (redis) => evaluateStrongly(redis, script, request, name));
  }
}

function isStrong(operation: StateOperation): boolean {
  return operation.operation === "upsert" && operation.consistency === "strong";
}

/** One key's error stands in its place; a connection that is lost is everybody's. */
function unlessLost(error: Error): Error {
  if (isLost(error)) throw error;
  return error;
}
