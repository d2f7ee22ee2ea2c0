import type { Settings } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import {
  type StateOperation,
  type StateStore,
  type StoredItem,
  stateStore,
} from "../../src/contracts/state.ts";
import type { ComponentError } from "../../src/errors.ts";
import { type Reply, toItem, toVersions, type WriteOptions, writeCall } from "../_redis.ts";
import { explain, isLost } from "./_redis-failures.ts";
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
import { type Client, lent, supply, verify } from "./_redis-supply.ts";

const fields = {
  redisHost: {
    type: "string",
    description:
      "Address as host:port; several with commas for a cluster, or sentinels. IPv6 in brackets. Required, unless there is `client`.",
  },
  redisPort: { type: "number", description: "Port of addresses without one. Default 6379." },
  redisUsername: { type: "string", description: "User of Redis's access control lists." },
  redisPassword: { type: "string", sensitive: true, description: "Password of the user." },
  redisDB: { type: "number", default: 0, description: "Number of the database." },
  redisType: {
    type: "string",
    default: "node",
    description:
      "`node`, or `cluster`. In a cluster the keys of one transaction must share a hash tag.",
  },
  failover: {
    type: "boolean",
    default: false,
    description: "redisHost names sentinels, which know the master.",
  },
  sentinelMasterName: { type: "string", description: "Name of the master among the sentinels." },
  sentinelUsername: { type: "string", description: "User at the sentinels." },
  sentinelPassword: { type: "string", sensitive: true, description: "Password at the sentinels." },
  enableTLS: { type: "boolean", default: false, description: "Connect by TLS, sentinels too." },
  insecureSkipTLSVerify: {
    type: "boolean",
    default: false,
    description: "Trust any certificate of the server.",
  },
  caCert: {
    type: "string",
    description:
      "PEM of the authority that signed the server's certificate, where Node does not know it.",
  },
  clientCert: { type: "string", description: "PEM of the certificate that the server wants." },
  clientKey: { type: "string", sensitive: true, description: "PEM of its key." },
  redisMaxRetries: {
    type: "number",
    aliases: ["maxRetries"],
    default: 3,
    description:
      "Further attempts to connect, made for calls that wait; -1 for none. A write that was sent is never sent again.",
  },
  redisMinRetryInterval: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 2000,
    description: "Wait before the second attempt to connect, doubled before each further one.",
  },
  redisMaxRetryInterval: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 512,
    description: "Most of that wait, also of the first one.",
  },
  dialTimeout: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 5000,
    description: "How long a call waits for a connection; 0 is the default.",
  },
  readTimeout: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 3000,
    description: "How long a read waits for its answer; 0 is the default.",
  },
  writeTimeout: {
    type: "duration",
    unit: "ms",
    negative: "off",
    description: "How long a write waits for its answer. 0, and by default: readTimeout.",
  },
  idleTimeout: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 300_000,
    description:
      "A connection unused for so long is replaced when it is wanted, as after a frozen sandbox; 0: never.",
  },
  idleCheckFrequency: {
    type: "duration",
    unit: "ms",
    negative: "off",
    default: 60_000,
    description: "A connection unused for so long must answer a PING before it is used; 0: never.",
  },
  maxPendingCalls: {
    type: "number",
    default: 10_000,
    description:
      "Calls that may wait for the server at the same time. One more fails at once as unavailable.",
  },
  ttlInSeconds: {
    type: "number",
    description:
      "Time to live of every write that names none; 0 and less: none. A write cannot lift it.",
  },
  client: {
    type: "code",
    description:
      "An ioredis client or cluster of your own, in place of redisHost. It is not closed, and its options decide about connecting and sending again: set autoResendUnfulfilledCommands to false.",
  },
  poolSize: { type: "number", description: "No effect: one connection carries all calls." },
  minIdleConns: { type: "number", description: "No effect: one connection carries all calls." },
  poolTimeout: {
    type: "duration",
    unit: "ms",
    description: "No effect: no call waits for another to give a connection back.",
  },
  maxConnAge: {
    type: "duration",
    unit: "ms",
    description: "Refused: a connection is kept while it works.",
  },
  useEntraID: { type: "boolean", description: "Refused: not built. Use redisPassword." },
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

function redisStore(given: Settings<typeof fields>, host: Host, name: string): StateStore {
  refuse(given, name);
  const dialTimeout = given.dialTimeout || fields.dialTimeout.default;
  const readTimeout = given.readTimeout || fields.readTimeout.default;
  const writeTimeout = given.writeTimeout || readTimeout;
  const settings = { ...given, dialTimeout, readTimeout, writeTimeout };
  const { client, ttlInSeconds = 0 } = settings;
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
