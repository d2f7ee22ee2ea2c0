/** Dapr's settings of Kafka. Literals only, or bundlers keep what is unused. */
export const kafkaFields = {
  brokers: {
    type: "string",
    required: true,
    description: "Addresses as host:port, with commas between them.",
  },
  authType: {
    type: "string",
    description:
      "`none`, `password` (SASL), `mtls`, or `certificate` (TLS that only the broker proves itself by). Required.",
  },
  authRequired: {
    type: "boolean",
    description: "Dapr's older authType: true is `password`, false `none`.",
  },
  saslUsername: { type: "string", description: "User of authType password." },
  saslPassword: { type: "string", sensitive: true, description: "Password of the user." },
  saslMechanism: {
    type: "string",
    description: "`SHA-256` or `SHA-512` for SCRAM; default: plain, which wants TLS around it.",
  },
  disableTls: {
    type: "boolean",
    default: false,
    description: "No TLS, which every authType but none has otherwise.",
  },
  skipVerify: {
    type: "boolean",
    default: false,
    description: "Trust any certificate of the broker.",
  },
  caCert: {
    type: "string",
    description:
      "PEM of the authority that signed the broker's certificate, where Node does not know it.",
  },
  clientCert: { type: "string", description: "PEM of the certificate of authType mtls." },
  clientKey: { type: "string", sensitive: true, description: "PEM of its key." },
  consumerGroup: {
    type: "string",
    description: "Name of the consumer group. Default: consumerID.",
  },
  clientId: { type: "string", default: "sarama", description: "What the broker's log calls it." },
  initialOffset: {
    type: "string",
    default: "newest",
    description:
      "Where a group begins that has committed nothing: `newest`, which is when it subscribes, or `oldest`.",
  },
  consumerGroupRebalanceStrategy: {
    type: "string",
    default: "range",
    description:
      "How the group divides partitions: `range` or `roundrobin`. All of a group must have the same.",
  },
  consumerFetchDefault: {
    type: "number",
    default: 1_048_576,
    description: "Bytes fetched of a partition at a time.",
  },
  consumerFetchMin: {
    type: "number",
    default: 1,
    description: "Bytes that the broker waits for before it answers a fetch.",
  },
  channelBufferSize: {
    type: "number",
    default: 256,
    description:
      "Unhandled messages of a partition, those that are to come again too, beyond which no more are fetched.",
  },
  processingTimeout: {
    type: "duration",
    default: 60,
    description:
      "Time that a handler has for a message. Then it is given up, and the message comes again as after a failure, with what has its key behind it. Not Dapr's.",
  },
  heartbeatInterval: {
    type: "duration",
    default: 3,
    description: "Between two signs of life to the group.",
  },
  sessionTimeout: {
    type: "duration",
    default: 10,
    description: "Without a sign of life for so long, the group gives the partitions to others.",
  },
  backOffPolicy: {
    type: "string",
    default: "constant",
    description:
      "Wait before a message comes again whose subscription names none: `constant` or `exponential`.",
  },
  backOffDuration: {
    type: "duration",
    unit: "ms",
    default: 5000,
    description: "That wait, with policy constant.",
  },
  backOffInitialInterval: {
    type: "duration",
    unit: "ms",
    default: 500,
    description: "First wait with policy exponential, half as long again each further time.",
  },
  backOffMaxInterval: {
    type: "duration",
    unit: "ms",
    default: 60_000,
    description: "Longest wait with policy exponential.",
  },
  backOffMaxRetries: {
    type: "number",
    default: -1,
    description: "Refused above -1: the message would be lost. Set maxRetries of the subscription.",
  },
  consumeRetryEnabled: {
    type: "boolean",
    default: true,
    description: "Refused when false: a message that fails would be lost.",
  },
  consumeRetryInterval: {
    type: "duration",
    unit: "ms",
    description: "No effect: the group is joined again after 0.1 s, doubled up to 3 s.",
  },
  producerRequiredAcks: {
    type: "string",
    default: "all",
    description:
      "Who must have a message before it counts as published: `all` replicas in sync, `local` (the leader), `none`.",
  },
  producerRetryMax: {
    type: "number",
    default: 5,
    description: "Further attempts to publish, which may publish twice.",
  },
  maxMessageBytes: {
    type: "number",
    default: 1_048_576,
    description: "Largest message; one part of a bulk has no more either.",
  },
  compression: {
    type: "string",
    default: "none",
    description: "Of what is published: `none`, `gzip` or `zstd`.",
  },
  escapeHeaders: {
    type: "boolean",
    default: false,
    description: "Received headers and keys are escaped as in a URL's query.",
  },
  excludeHeaderMetaRegex: {
    type: "string",
    description: "Metadata with a matching name do not become headers.",
  },
  clientConnectionTopicMetadataRefreshInterval: {
    type: "duration",
    default: 480,
    description: "How often topics are looked at for new partitions.",
  },
  dialTimeout: { type: "duration", default: 30, description: "How long a connection may take." },
  readTimeout: {
    type: "duration",
    default: 30,
    description: "How long a call waits for the broker in all.",
  },
  writeTimeout: { type: "duration", description: "No effect: readTimeout is for both." },
  version: { type: "string", description: "No effect: client and broker agree on it." },
  clientConnectionKeepAliveInterval: {
    type: "duration",
    description: "No effect: a connection is kept, and made anew when it is lost.",
  },
  oidcTokenEndpoint: { type: "string", description: "Refused: not built." },
  oidcClientID: { type: "string", description: "Refused: not built." },
  oidcClientSecret: { type: "string", sensitive: true, description: "Refused: not built." },
  oidcScopes: { type: "string", description: "Refused: not built." },
  oidcExtensions: { type: "string", description: "Refused: not built." },
  schemaRegistryURL: { type: "string", description: "Refused: not built." },
  schemaRegistryAPIKey: { type: "string", sensitive: true, description: "Refused: not built." },
  schemaRegistryAPISecret: { type: "string", sensitive: true, description: "Refused: not built." },
  useAvroJSON: { type: "boolean", description: "Refused: not built." },
  region: { type: "string", description: "Refused: AWS IAM is not built." },
  accessKey: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
  secretKey: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
  sessionToken: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
} as const;
