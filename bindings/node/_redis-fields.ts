import type { Fields, Settings } from "../../src/contracts/component.ts";

/** Settings of the connection, the same for every block on Redis. */
export const connection = {
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
    description: "`node`, or `cluster`.",
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
} as const satisfies Fields;

/** The times that hold: 0 stands for the default, and a write has a read's where it has none of its own. */
export function timesOf(settings: Settings<typeof connection>) {
  const dialTimeout = settings.dialTimeout || connection.dialTimeout.default;
  const readTimeout = settings.readTimeout || connection.readTimeout.default;
  return { dialTimeout, readTimeout, writeTimeout: settings.writeTimeout || readTimeout };
}
