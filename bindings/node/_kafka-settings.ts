import type { KafkaConfig, SASLOptions } from "kafkajs";
import type { Settings } from "../../src/contracts/component.ts";
import { complain, config } from "./_config.ts";
import type { kafkaFields } from "./_kafka-fields.ts";
import type { Strategy } from "./_kafka-range.ts";

type KafkaSettings = Settings<typeof kafkaFields>;

/** Settings of Dapr's that are not built, with what to do instead. */
const refused = {
  oidcTokenEndpoint: "OIDC is not built",
  oidcClientID: "OIDC is not built",
  oidcClientSecret: "OIDC is not built",
  oidcScopes: "OIDC is not built",
  oidcExtensions: "OIDC is not built",
  schemaRegistryURL: "Avro and schema registries are not built",
  schemaRegistryAPIKey: "Avro and schema registries are not built",
  schemaRegistryAPISecret: "Avro and schema registries are not built",
  useAvroJSON: "Avro and schema registries are not built",
  region: "AWS IAM is not built",
  accessKey: "AWS IAM is not built",
  secretKey: "AWS IAM is not built",
  sessionToken: "AWS IAM is not built",
} as const;

export interface Plan {
  readonly client: KafkaConfig;
  readonly strategy: Strategy;
  readonly acks: 0 | 1 | -1;
  readonly compression: "None" | "GZIP" | "ZSTD";
  readonly oldest: boolean;
  readonly exclude: RegExp | undefined;
}

const acks: Readonly<Record<string, Plan["acks"]>> = {
  none: 0,
  local: 1,
  all: -1,
  "0": 0,
  "1": 1,
  "-1": -1,
};
const codecs: Readonly<Record<string, Plan["compression"]>> = {
  none: "None",
  gzip: "GZIP",
  zstd: "ZSTD",
};

/** Throws "config" for what is not built, and for settings that contradict each other. */
export function planOf(settings: KafkaSettings, component: string): Plan {
  const { brokers, consumerGroupRebalanceStrategy: strategy, excludeHeaderMetaRegex } = settings;
  const auth = authOf(settings);
  const required = acks[settings.producerRequiredAcks.toLowerCase()];
  const compression = codecs[settings.compression.toLowerCase()];
  const addresses = brokers
    .split(",")
    .map((text) => text.trim())
    .filter(Boolean);
  for (const [name, reason] of Object.entries(refused)) {
    const value = settings[name as keyof typeof refused];
    if (value !== undefined) throw config(component, `${name}: ${reason}; take it away`);
  }
  complain(component, [
    [
      addresses.length === 0,
      "brokers names none: set it to host:port, with commas between several",
    ],
    [auth === undefined, "needs authType: none, password, mtls or certificate"],
    [
      !["none", "password", "mtls", "certificate"].includes(auth ?? ""),
      `authType ${auth} is not built: it takes none, password, mtls and certificate`,
    ],
    [
      auth === "password" && !(settings.saslUsername && settings.saslPassword),
      "authType password needs saslUsername and saslPassword",
    ],
    [
      auth === "mtls" && !(settings.clientCert && settings.clientKey),
      "authType mtls needs clientCert and clientKey",
    ],
    [!settings.clientCert !== !settings.clientKey, "clientCert and clientKey belong together"],
    [
      !["newest", "oldest"].includes(settings.initialOffset),
      `initialOffset must be newest or oldest, not ${settings.initialOffset}`,
    ],
    [
      !["range", "roundrobin"].includes(strategy),
      `consumerGroupRebalanceStrategy ${strategy} is not built: it takes range and roundrobin`,
    ],
    [
      compression === undefined,
      `compression ${settings.compression} is not built: it takes none, gzip and zstd`,
    ],
    [
      required === undefined,
      `producerRequiredAcks must be all, local or none, not ${settings.producerRequiredAcks}`,
    ],
    [
      !settings.consumeRetryEnabled || settings.backOffMaxRetries >= 0,
      "consumeRetryEnabled: false and backOffMaxRetries would lose messages: set maxRetries, and a deadLetterTopic, of the subscription",
    ],
    [
      !["constant", "exponential"].includes(settings.backOffPolicy),
      `backOffPolicy must be constant or exponential, not ${settings.backOffPolicy}`,
    ],
    [
      settings.heartbeatInterval >= settings.sessionTimeout,
      "heartbeatInterval must be less than sessionTimeout, about a third of it",
    ],
    [settings.processingTimeout <= 0, "processingTimeout must be above 0"],
    [settings.channelBufferSize < 1, "channelBufferSize must be at least 1"],
  ]);
  return {
    client: clientOf(settings, auth as string, addresses),
    strategy: strategy as Strategy,
    acks: required as Plan["acks"],
    compression: compression as Plan["compression"],
    oldest: settings.initialOffset === "oldest",
    exclude: excludeHeaderMetaRegex ? regexOf(excludeHeaderMetaRegex, component) : undefined,
  };
}

function authOf({ authType, authRequired }: KafkaSettings): string | undefined {
  if (authType) return authType.toLowerCase();
  if (authRequired === undefined) return undefined;
  return authRequired ? "password" : "none";
}

function clientOf(settings: KafkaSettings, auth: string, brokers: string[]): KafkaConfig {
  const { caCert, clientCert, clientKey, saslUsername, saslPassword } = settings;
  const tls = auth !== "none" && !settings.disableTls;
  return {
    brokers,
    clientId: settings.clientId,
    connectionTimeout: settings.dialTimeout,
    requestTimeout: settings.readTimeout,
    ...(tls && {
      ssl: {
        rejectUnauthorized: !settings.skipVerify,
        ...(caCert && { ca: caCert }),
        ...(clientCert && clientKey && { cert: clientCert, key: clientKey }),
      },
    }),
    ...(auth === "password" && {
      sasl: {
        mechanism: mechanismOf(settings.saslMechanism),
        username: saslUsername as string,
        password: saslPassword as string,
      } as SASLOptions,
    }),
  };
}

function mechanismOf(name = ""): SASLOptions["mechanism"] {
  if (/^(SCRAM-)?SHA-?256$/i.test(name)) return "scram-sha-256";
  return /^(SCRAM-)?SHA-?512$/i.test(name) ? "scram-sha-512" : "plain";
}

function regexOf(text: string, component: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw config(component, `excludeHeaderMetaRegex is no expression: ${(cause as Error).message}`);
  }
}
