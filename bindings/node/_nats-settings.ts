import type { ConsumerConfig } from "@nats-io/jetstream";
import { toMilliseconds } from "../../src/settings.ts";
import { complain, config, decoded } from "./_config.ts";

/** What the component's settings say; times in milliseconds. */
export interface NatsSettings {
  readonly consumerID: string;
  readonly natsURL: string;
  readonly jwt: string | undefined;
  readonly seedKey: string | undefined;
  readonly token: string | undefined;
  readonly tls_client_cert: string | undefined;
  readonly tls_client_key: string | undefined;
  readonly name: string;
  readonly streamName: string | undefined;
  readonly durableName: string | undefined;
  readonly queueGroupName: string | undefined;
  readonly deliverPolicy: string;
  readonly startSequence: number | undefined;
  readonly startTime: number | undefined;
  readonly ackWait: number | undefined;
  readonly maxDeliver: number | undefined;
  readonly backOff: string | undefined;
  readonly maxAckPending: number | undefined;
  readonly replicas: number | undefined;
  readonly memoryStorage: boolean | undefined;
  readonly heartbeat: number;
  readonly concurrencyMode: string;
  readonly domain: string | undefined;
  readonly apiPrefix: string | undefined;
  readonly ackPolicy: string | undefined;
  readonly rateLimit: number | undefined;
}

export interface NatsPlan {
  readonly servers: readonly string[];
  readonly connection: string;
  readonly credentials: Credentials;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly secure: boolean;
  /** Where JetStream's API is. */
  readonly prefix: string;
  readonly concurrency: number;
  /** How long a message is ours before the server gives it to another. */
  readonly lease: number;
  readonly heartbeat: number;
  /** The wait of a failed message whose policy says none. */
  wait(attempt: number): number;
  /** The consumer that serves a topic: what the server is asked for. */
  consumer(topic: string): ConsumerPlan;
}

export type Credentials =
  | { readonly by: "none" }
  | { readonly by: "token"; readonly token: string }
  | { readonly by: "user"; readonly user: string; readonly password: string }
  | { readonly by: "jwt"; readonly jwt: string; readonly seed: string };

export interface ConsumerPlan {
  readonly topic: string;
  readonly stream: string | undefined;
  readonly durable: string;
  readonly config: Partial<ConsumerConfig>;
}

/** JetStream's own, where ackWait is not set. */
const LEASE_MS = 30_000;
const RETRY_MS = 1000;
const PARALLEL = 10;
const NANOS = 1_000_000;
const policies = {
  all: "all",
  last: "last",
  new: "new",
  sequence: "by_start_sequence",
  time: "by_start_time",
};

/** Throws "config" for what is not built and for settings that contradict each other. */
export function planOf(settings: NatsSettings, component: string): NatsPlan {
  check(settings, component);
  const { ackWait, consumerID, queueGroupName, durableName, streamName, concurrencyMode } =
    settings;
  const backOff = durationsOf(settings.backOff, component);
  const lease = Math.min(...(backOff.length > 0 ? backOff : [ackWait ?? LEASE_MS]));
  const config = consumerConfig(settings, lease, backOff);
  const { domain, apiPrefix } = settings;
  return {
    ...addressesOf(settings, component),
    connection: settings.name,
    tls: tlsOf(settings),
    prefix: domain ? `$JS.${domain}.API` : (apiPrefix ?? "$JS.API").replace(/\.$/, ""),
    concurrency: concurrencyMode === "parallel" ? PARALLEL : 1,
    lease,
    heartbeat: settings.heartbeat,
    wait: (attempt) => backOff[Math.min(attempt, backOff.length) - 1] ?? ackWait ?? RETRY_MS,
    consumer: (topic) => ({
      topic,
      stream: streamName,
      durable: durableName ?? `${word(queueGroupName ?? consumerID)}__${word(topic)}`,
      config: { ...config, filter_subject: topic },
    }),
  };
}

/** A part of a consumer's name, which takes neither dots nor wildcards; two different texts never have the same one. */
function word(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9-]/.test(letter) ? letter : `_${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}

function consumerConfig(
  settings: NatsSettings,
  lease: number,
  backOff: readonly number[],
): Partial<ConsumerConfig> {
  const { deliverPolicy, startSequence, startTime, replicas, memoryStorage } = settings;
  const config: Record<string, unknown> = {
    ack_policy: "explicit",
    deliver_policy: policies[deliverPolicy as keyof typeof policies],
    ack_wait: (backOff[0] ?? lease) * NANOS,
    // Without it the server takes 1000: so many that wait to come again would stop the others.
    max_ack_pending: settings.maxAckPending ?? -1,
    max_deliver: settings.maxDeliver ?? -1,
  };
  if (backOff.length > 0) config.backoff = backOff.map((ms) => ms * NANOS);
  if (startSequence !== undefined) config.opt_start_seq = startSequence;
  if (startTime !== undefined) config.opt_start_time = new Date(startTime * 1000).toISOString();
  if (replicas !== undefined) config.num_replicas = replicas;
  if (memoryStorage) config.mem_storage = true;
  return config as Partial<ConsumerConfig>;
}

function durationsOf(text: string | undefined, component: string): number[] {
  if (!text) return [];
  return text.split(",").map((part) => {
    const ms = toMilliseconds(part.trim());
    if (ms) return ms;
    throw config(component, "backOff must be durations above 0 with commas, such as 1s,5s,1m");
  });
}

function tlsOf({ tls_client_cert: certFile, tls_client_key: keyFile }: NatsSettings) {
  return certFile && keyFile ? { certFile, keyFile } : undefined;
}

function addressesOf(settings: NatsSettings, component: string) {
  const { jwt, seedKey, token, natsURL } = settings;
  let credentials: Credentials = { by: "none" };
  let secure = false;
  const servers = natsURL.split(",").map((part) => {
    const text = part.trim();
    const url = URL.parse(text.includes("://") ? text : `nats://${text}`);
    if (!url?.hostname || !/^(nats|tls):$/.test(url.protocol)) {
      throw config(
        component,
        "natsURL must be nats://host:port or tls://host:port, with commas between several",
      );
    }
    secure ||= url.protocol === "tls:";
    const [user = "", password] = [url.username, url.password].map((part) =>
      decoded(part, "natsURL", component),
    );
    if (password) credentials = { by: "user", user, password };
    else if (user) credentials = { by: "token", token: user };
    return `${url.hostname}:${url.port || 4222}`;
  });
  if (token) credentials = { by: "token", token };
  if (jwt && seedKey) credentials = { by: "jwt", jwt, seed: seedKey };
  return { servers, secure, credentials };
}

function check(settings: NatsSettings, component: string): void {
  const { jwt, seedKey, deliverPolicy, concurrencyMode, ackPolicy, rateLimit } = settings;
  const { startSequence, startTime, maxAckPending, maxDeliver, replicas, ackWait } = settings;
  const { tls_client_cert: cert, tls_client_key: key, domain, apiPrefix, heartbeat } = settings;
  const counts = { startSequence, maxAckPending, maxDeliver, replicas };
  const odd = Object.entries(counts).find(([, value]) => value !== undefined && !isCount(value));
  complain(component, [
    [!jwt !== !seedKey, "jwt and seedKey belong together: set both or neither"],
    [!cert !== !key, "tls_client_cert and tls_client_key belong together: set both or neither"],
    [
      !Object.hasOwn(policies, deliverPolicy),
      `deliverPolicy ${JSON.stringify(deliverPolicy)} must be one of ${Object.keys(policies).join(", ")}`,
    ],
    [
      (deliverPolicy === "sequence") !== (startSequence !== undefined),
      "startSequence and deliverPolicy sequence belong together",
    ],
    [
      (deliverPolicy === "time") !== (startTime !== undefined),
      "startTime and deliverPolicy time belong together",
    ],
    [
      !/^(single|parallel)$/.test(concurrencyMode),
      `concurrencyMode ${JSON.stringify(concurrencyMode)} must be single or parallel`,
    ],
    [
      ackPolicy !== undefined && ackPolicy !== "explicit",
      "ackPolicy must be explicit: all and none acknowledge what was not handled",
    ],
    [rateLimit !== undefined, "rateLimit is not built, since nothing is pushed: take it away"],
    [
      domain !== undefined && apiPrefix !== undefined,
      "domain and apiPrefix name the same: keep one",
    ],
    [odd !== undefined, `${odd?.[0]} must be a whole number above 0, not ${odd?.[1]}`],
    [ackWait === 0, "ackWait must be above 0"],
    [heartbeat < 500, "heartbeat must be at least 500ms"],
  ]);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}
