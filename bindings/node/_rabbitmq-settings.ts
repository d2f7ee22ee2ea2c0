import { complain, config, decoded } from "./_config.ts";

/** What the component's settings say; times in milliseconds. */
export interface RabbitSettings {
  readonly consumerID: string;
  readonly connectionString: string | undefined;
  readonly protocol: string;
  readonly hostname: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly saslExternal: boolean;
  readonly caCert: string | undefined;
  readonly clientCert: string | undefined;
  readonly clientKey: string | undefined;
  readonly clientName: string | undefined;
  readonly heartBeat: number;
  readonly reconnectWaitSeconds: number;
  readonly durable: boolean;
  readonly deletedWhenUnused: boolean;
  readonly deliveryMode: number;
  readonly exchangeKind: string;
  readonly enableDeadLetter: boolean;
  readonly requeueInFailure: boolean | undefined;
  readonly maxLen: number | undefined;
  readonly maxLenBytes: number | undefined;
  readonly ttlInSeconds: number | undefined;
  readonly prefetchCount: number;
  readonly publishMessagePropertiesToMetadata: boolean;
  readonly concurrencyMode: string;
  readonly autoAck: boolean | undefined;
}

export interface RabbitPlan {
  readonly address: Address;
  readonly external: boolean;
  readonly tls: Readonly<Record<"ca" | "cert" | "key", string | undefined>>;
  readonly clientName: string | undefined;
  /** Milliseconds between two attempts to connect. */
  readonly pause: number;
  readonly consumerID: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly exchangeKind: string;
  readonly persistent: boolean;
  readonly ttl: number | undefined;
  readonly prefetch: number | undefined;
  readonly concurrency: number;
  readonly limits: Limits;
  /** Whether the server keeps what it drops, and what failed and is not to come again. */
  readonly buries: "nothing" | "dropped" | "failed";
  readonly properties: boolean;
}

export interface Limits {
  readonly maxLen: number | undefined;
  readonly maxLenBytes: number | undefined;
}

export interface Address {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** Seconds. */
  readonly heartbeat: number;
}

const PARALLEL = 10;
const kinds = ["fanout", "topic", "direct", "headers"];

/** Throws "config" for what is not built and for settings that contradict each other. */
export function planOf(settings: RabbitSettings, component: string): RabbitPlan {
  check(settings, component);
  const { enableDeadLetter, requeueInFailure, ttlInSeconds, maxLen, maxLenBytes } = settings;
  return {
    address: addressOf(settings, component),
    external: settings.saslExternal,
    tls: { ca: settings.caCert, cert: settings.clientCert, key: settings.clientKey },
    clientName: settings.clientName,
    pause: settings.reconnectWaitSeconds,
    consumerID: settings.consumerID,
    durable: settings.durable,
    autoDelete: settings.deletedWhenUnused,
    exchangeKind: settings.exchangeKind,
    persistent: settings.deliveryMode === 2,
    ttl: ttlInSeconds === undefined ? undefined : ttlInSeconds * 1000,
    prefetch: settings.prefetchCount || undefined,
    concurrency: settings.concurrencyMode === "parallel" ? PARALLEL : 1,
    limits: { maxLen, maxLenBytes },
    buries: enableDeadLetter ? (requeueInFailure ? "dropped" : "failed") : "nothing",
    properties: settings.publishMessagePropertiesToMetadata,
  };
}

function addressOf(settings: RabbitSettings, component: string): Address {
  const { connectionString, protocol, hostname, username, password, heartBeat } = settings;
  const url = URL.parse(connectionString ?? `${protocol}://${hostname}`);
  if (!url?.hostname || !/^amqps?:$/.test(url.protocol)) {
    // It may hold the password, so it is not shown.
    throw config(
      component,
      "connectionString must be amqp://user:password@host:port/vhost or amqps://…, and hostname a host or host:port",
    );
  }
  const secure = url.protocol === "amqps:";
  const setting = connectionString ? "connectionString" : "hostname";
  const [user, secret, vhost] = [url.username, url.password, url.pathname.slice(1)].map((part) =>
    decoded(part, setting, component),
  );
  return {
    protocol: url.protocol.slice(0, -1),
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (secure ? 5671 : 5672),
    username: username ?? (user || "guest"),
    password: password ?? (secret || "guest"),
    vhost: vhost || "/",
    heartbeat: Math.ceil(heartBeat / 1000),
  };
}

function check(settings: RabbitSettings, component: string): void {
  const { connectionString, hostname, exchangeKind, deliveryMode, prefetchCount } = settings;
  const { clientCert, clientKey, saslExternal, concurrencyMode, autoAck } = settings;
  const { maxLen, maxLenBytes, ttlInSeconds, heartBeat } = settings;
  const counts = { maxLen, maxLenBytes, ttlInSeconds };
  const odd = Object.entries(counts).find(([, value]) => value !== undefined && !(value > 0));
  complain(component, [
    [!connectionString && !hostname, "needs connectionString, or hostname"],
    [
      Boolean(connectionString && hostname),
      "connectionString and hostname are two addresses: keep one",
    ],
    [
      !kinds.includes(exchangeKind),
      `exchangeKind ${JSON.stringify(exchangeKind)} must be one of ${kinds.join(", ")}`,
    ],
    [![0, 1, 2].includes(deliveryMode), `deliveryMode must be 0, 1 or 2, not ${deliveryMode}`],
    [
      !Number.isInteger(prefetchCount) || prefetchCount < 0 || prefetchCount > 255,
      `prefetchCount must be a whole number from 0 to 255, not ${prefetchCount}`,
    ],
    [!clientCert !== !clientKey, "clientCert and clientKey belong together: set both or neither"],
    [saslExternal && !clientCert, "saslExternal needs clientCert and clientKey"],
    [
      !/^(single|parallel)$/.test(concurrencyMode),
      `concurrencyMode ${JSON.stringify(concurrencyMode)} must be single or parallel`,
    ],
    [
      autoAck === true,
      "autoAck must be false: what was not handled would be acknowledged, and lost",
    ],
    [odd !== undefined, `${odd?.[0]} must be above 0, not ${odd?.[1]}`],
    [heartBeat === 0, "heartBeat must be above 0"],
  ]);
}
