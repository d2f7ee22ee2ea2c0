import type { Pool } from "pg";
import type { Fields, Settings } from "../../src/contracts/component.ts";
import { ComponentError } from "../../src/errors.ts";
import { type Address, addressOf } from "./_postgresql-address.ts";
import type { PoolLimits } from "./_postgresql-driver.ts";

/** Settings that both layouts have. */
const shared = {
  connectionString: {
    type: "string",
    sensitive: true,
    aliases: ["url"],
    description:
      "`host=… port=… user=… password=… database=…` or `postgres://user:password@host:port/database`, with sslmode, sslrootcert, sslcert, sslkey, connect_timeout, application_name, options and any setting of a session.",
  },
  host: {
    type: "string",
    description: "Name of the server; it and the next six complete or replace connectionString.",
  },
  hostaddr: { type: "string", description: "Address to connect to, instead of looking host up." },
  port: { type: "number", description: "Port of the server, 5432 unless said otherwise." },
  database: { type: "string", description: "Name of the database." },
  user: { type: "string", description: "Who to connect as." },
  password: { type: "string", sensitive: true, description: "The user's password." },
  sslRootCert: {
    type: "string",
    description: "Path of the PEM file with the certificate that the server's is signed by.",
  },
  client: {
    type: "code",
    description:
      "A pg.Pool of your own, in place of all settings of a connection. It is not closed.",
  },
  timeout: {
    type: "duration",
    default: 20,
    aliases: ["timeoutInSeconds"],
    description: "How long a call may take, at least 1 s.",
  },
  metadataTableName: {
    type: "string",
    default: "dapr_metadata",
    description:
      "Table that holds the level of the tables' schema and the time of the last cleanup.",
  },
  cleanupInterval: {
    type: "duration",
    default: 3600,
    aliases: ["cleanupIntervalInSeconds"],
    negative: "off",
    description:
      "Least time between two removals of expired rows, made after a write; 0 leaves them. Expired rows are never read.",
  },
  maxConns: {
    type: "number",
    description: "Most connections at a time; 10 if it is 0, less, or not set.",
  },
  connectionMaxIdleTime: {
    type: "duration",
    default: 1800,
    description: "How long an unused connection is kept; 0 is the default.",
  },
  queryExecMode: {
    type: "string",
    default: "cache_statement",
    description:
      "`cache_statement` keeps prepared statements on the connection. A pooler that shares connections between transactions, such as PgBouncer, may lose them: `exec`, or any other of Dapr's modes, keeps none.",
  },
  useAzureAD: { type: "boolean", description: "Not built; false is accepted." },
  useAWSIAM: { type: "boolean", description: "Not built; false is accepted." },
} as const satisfies Fields;

export function withShared<const F extends Fields>(own: F): typeof shared & F {
  return { ...shared, ...own };
}

export type Shared = Settings<typeof shared>;

/** What the settings say of connections. */
export interface Source {
  /** Where to connect, or the user's own pool. */
  readonly source: Address | Pool;
  /** What messages call it; nothing secret. */
  readonly server: string;
  /** What to raise when connections are too few. */
  readonly setting: string;
  readonly limits: PoolLimits;
}

const MAX_CONNECTIONS = 10;
const MODES = ["cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"];

/** Throws "config" for settings that cannot be, or cannot be together. */
export function sourceOf(settings: Shared, component: string): Source {
  const { client, timeout, connectionMaxIdleTime, maxConns = 0 } = settings;
  const refuse = (text: string) => new ComponentError("config", `component ${component}: ${text}`);
  check(settings, refuse);
  if (client !== undefined) {
    const pool = poolOf(settings, refuse);
    const limits = { max: pool.options.max, idleMs: Number.POSITIVE_INFINITY, connectMs: timeout };
    return { source: pool, server: "client", setting: "max of the pool given as client", limits };
  }
  const source = addressOf(settings, component);
  const { host, hostaddr, port, database } = source;
  return {
    source,
    server: `${hostaddr ?? host}:${port}${database === undefined ? "" : `/${database}`}`,
    setting: "maxConns",
    limits: {
      max: maxConns > 0 ? maxConns : MAX_CONNECTIONS,
      idleMs: connectionMaxIdleTime || shared.connectionMaxIdleTime.default * 1000,
      connectMs: Math.min(timeout, source.connectMs ?? timeout),
    },
  };
}

type Refuse = (text: string) => ComponentError;

function check(settings: Shared, refuse: Refuse): void {
  const { timeout, maxConns = 0, queryExecMode, useAzureAD, useAWSIAM } = settings;
  if (timeout < 1000) throw refuse("timeout must be at least 1 s");
  if (!Number.isInteger(maxConns)) throw refuse("maxConns must be a whole number");
  if (!MODES.includes(queryExecMode))
    throw refuse(`queryExecMode must be one of ${MODES.join(", ")}`);
  if (useAzureAD || useAWSIAM) {
    const name = useAzureAD ? "useAzureAD" : "useAWSIAM";
    throw refuse(`${name} is not built: set password, or client to a pool that gets its own`);
  }
}

/** Settings of a connection that a pool of the user's has already. */
const connecting = [
  "connectionString",
  "host",
  "hostaddr",
  "port",
  "database",
  "user",
  "password",
  "sslRootCert",
  "maxConns",
] as const;

function poolOf(settings: Shared, refuse: Refuse): Pool {
  const doubled = connecting.find((name) => settings[name] !== undefined);
  if (doubled !== undefined)
    throw refuse(`client has its own ${doubled}: leave out one of the two`);
  const pool = settings.client as Pool;
  if (typeof pool?.connect !== "function" || typeof pool.options?.max !== "number")
    throw refuse("client must be a pg.Pool");
  if ("pipeline" in pool.options && pool.options.pipeline)
    throw refuse("client must not have pipeline set: its queries could not be told apart");
  return pool;
}
