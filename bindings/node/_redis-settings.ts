import type { Cluster, ClusterOptions, Redis, RedisOptions } from "ioredis";
import type { Settings } from "../../src/contracts/component.ts";
import { complain, config } from "./_config.ts";
import type { connection } from "./_redis-fields.ts";

/** What the component's settings say of connections, and two that only a state store has; times in milliseconds. */
export type RedisSettings = Settings<typeof connection> & {
  readonly ttlInSeconds?: number | undefined;
  readonly queryIndexes?: string | undefined;
};

/** A time to live that Dapr takes. */
const MAX_TTL = 2 ** 31 - 1;

/** Throws "config" for what is not built, and for what cannot be, whatever the connection. */
export function refuse(settings: RedisSettings, component: string): void {
  const { ttlInSeconds = 0, maxPendingCalls, client, redisHost } = settings;
  const { callBuffer, options } = (client ?? {}) as {
    callBuffer?: unknown;
    options?: RedisOptions;
  };
  complain(component, [
    [settings.useEntraID === true, "useEntraID is not built: use redisUsername and redisPassword"],
    [
      settings.queryIndexes !== undefined,
      "queryIndexes is not built, as Dapr's query API is not: take it away",
    ],
    [
      settings.maxConnAge !== undefined,
      "maxConnAge is not built, since a connection is kept while it works: take it away, or set idleTimeout",
    ],
    [
      !Number.isInteger(ttlInSeconds) || ttlInSeconds > MAX_TTL,
      `ttlInSeconds must be a whole number up to ${MAX_TTL}, not ${ttlInSeconds}`,
    ],
    [
      !Number.isInteger(maxPendingCalls) || maxPendingCalls < 1,
      `maxPendingCalls must be a whole number above 0, not ${maxPendingCalls}`,
    ],
    [
      client !== undefined && typeof callBuffer !== "function",
      "client must be an ioredis client or cluster",
    ],
    [
      client !== undefined && redisHost !== undefined,
      "client and redisHost are two connections: set one of them",
    ],
    [
      Boolean(options?.keyPrefix),
      "client must have no keyPrefix of its own: keys could not be listed",
    ],
  ]);
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where to connect, and how: what ioredis's constructors take. */
export type Plan =
  | { readonly kind: "server"; readonly options: RedisOptions }
  | {
      readonly kind: "cluster";
      readonly nodes: readonly Address[];
      readonly options: ClusterOptions;
    }
  | { readonly kind: "copy"; make(): Redis | Cluster };

/** A socket that a server does not close is cut off after so long. */
const DISCONNECT_MS = 100;

/** Throws "config" for settings that contradict each other. `silenceMs`: how long a server may keep calls waiting. */
export function planOf(settings: RedisSettings, component: string, silenceMs: number): Plan {
  check(settings, component);
  const addresses = addressesOf(settings, component);
  const common = commonOptions(settings);
  if (settings.redisType === "cluster") {
    return {
      kind: "cluster",
      nodes: addresses,
      options: clusterOptions(settings, common, silenceMs),
    };
  }
  const server = { ...common, db: settings.redisDB, enableOfflineQueue: false };
  if (!settings.failover) return { kind: "server", options: { ...server, ...addresses[0] } };
  return {
    kind: "server",
    options: {
      ...server,
      sentinels: [...addresses],
      name: settings.sentinelMasterName,
      sentinelUsername: settings.sentinelUsername,
      sentinelPassword: settings.sentinelPassword,
      sentinelTLS: common.tls,
      enableTLSForSentinelMode: settings.enableTLS,
      sentinelCommandTimeout: settings.readTimeout,
      sentinelRetryStrategy: null as never,
    },
  };
}

/**
 * ioredis would connect again by itself, and send again what was under way: a write twice. It does neither here; the
 * link connects, and sends nothing before.
 */
function commonOptions(settings: RedisSettings) {
  const { redisUsername, redisPassword, dialTimeout } = settings;
  return {
    username: redisUsername,
    password: redisPassword,
    tls: tlsOptions(settings),
    lazyConnect: true,
    retryStrategy: null,
    autoResendUnfulfilledCommands: false,
    // It writes to the console where the user may not ask; the link asks by itself.
    enableReadyCheck: false,
    disableClientInfo: true,
    connectTimeout: dialTimeout,
    disconnectTimeout: DISCONNECT_MS,
  } satisfies RedisOptions;
}

/** One more connection like the user's own, for which the link and not ioredis decides what is tried again. */
export function copyOf(client: Redis | Cluster): Plan {
  const own = {
    lazyConnect: true,
    retryStrategy: null,
    autoResendUnfulfilledCommands: false,
    commandTimeout: undefined,
    socketTimeout: undefined,
  };
  if (!client.isCluster) {
    return { kind: "copy", make: () => (client as Redis).duplicate(own as object) };
  }
  const cluster = client as Cluster;
  const { retryStrategy: _, ...redis } = own;
  const redisOptions = { ...cluster.options.redisOptions, ...redis };
  const options = { redisOptions, lazyConnect: true, clusterRetryStrategy: null };
  return {
    kind: "copy",
    make: () => cluster.duplicate([], { ...options, retryDelayOnFailover: 0 }),
  };
}

function clusterOptions(
  { enableTLS, dialTimeout }: RedisSettings,
  { retryStrategy: _, ...redisOptions }: ReturnType<typeof commonOptions>,
  silenceMs: number,
): ClusterOptions {
  return {
    // Later than the call's own limit, which says more. The link cannot tell which of the servers is silent.
    redisOptions: { ...redisOptions, socketTimeout: silenceMs + DISCONNECT_MS },
    lazyConnect: true,
    clusterRetryStrategy: null,
    // A connection that was lost says nothing of what was sent on it: sending it again is not for ioredis to decide.
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: dialTimeout,
    // A certificate is for a name, and not for the address that it leads to.
    ...(enableTLS && { dnsLookup: (host, done) => done(null, host) }),
  };
}

function tlsOptions(settings: RedisSettings): RedisOptions["tls"] {
  if (!settings.enableTLS) return undefined;
  return {
    rejectUnauthorized: !settings.insecureSkipTLSVerify,
    ca: settings.caCert,
    cert: settings.clientCert,
    key: settings.clientKey,
  };
}

function check(settings: RedisSettings, component: string): void {
  const { redisType, failover, redisDB, enableTLS, clientCert, clientKey, caCert } = settings;
  const cluster = redisType === "cluster";
  complain(component, [
    [
      !cluster && redisType !== "node",
      `redisType ${JSON.stringify(redisType)} must be node or cluster`,
    ],
    [cluster && failover, "failover is for redisType node: a cluster needs no sentinels"],
    [
      cluster && redisDB !== 0,
      "redisDB must be 0 with redisType cluster: a cluster has one database",
    ],
    [
      failover && !settings.sentinelMasterName,
      "failover needs sentinelMasterName, the name under which the sentinels know the master",
    ],
    [
      !Number.isInteger(redisDB) || redisDB < 0,
      `redisDB must be a whole number from 0, not ${redisDB}`,
    ],
    [
      !enableTLS && Boolean(clientCert || clientKey || caCert),
      "caCert, clientCert and clientKey need enableTLS",
    ],
    [!clientCert !== !clientKey, "clientCert and clientKey belong together: set both or neither"],
  ]);
}

const DEFAULT_PORT = 6379;

function addressesOf(settings: RedisSettings, component: string): Address[] {
  const { redisHost = "", redisPort, redisType, failover } = settings;
  const texts = redisHost
    .split(",")
    .map((text) => text.trim())
    .filter(Boolean);
  if (texts.length === 0) {
    throw config(component, "needs redisHost, as host:port, or client");
  }
  if (texts.length > 1 && redisType === "node" && !failover) {
    throw config(
      component,
      "redisHost names several servers: set redisType to cluster, or failover, or name one",
    );
  }
  return texts.map((text) => {
    const [, bracketed, plain, port] =
      /^(?:\[([^\]]+)\]|([^:[\]@/]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const host = bracketed ?? plain;
    // It could be a URL with a password in it, so it is not shown.
    if (!host) {
      throw config(
        component,
        "redisHost must be host:port, with commas between several, and nothing else: no redis://, no password; IPv6 stands in brackets",
      );
    }
    if (port !== undefined && redisPort !== undefined && Number(port) !== redisPort) {
      throw config(component, `redisPort is ${redisPort}, and redisHost says ${port}: keep one`);
    }
    const number = port === undefined ? (redisPort ?? DEFAULT_PORT) : Number(port);
    if (Number.isInteger(number) && number > 0 && number < 65_536) return { host, port: number };
    throw config(component, `a port is a whole number from 1 to 65535, not ${number}`);
  });
}
