import { ComponentError } from "../../src/errors.ts";

interface DriverError extends Error {
  /** Of Kafka's protocol, such as `MESSAGE_TOO_LARGE`. */
  readonly type?: string;
  readonly code?: unknown;
}

/** What the broker says, by its protocol's names. */
const answers: Readonly<Record<string, readonly [ComponentError["kind"], string]>> = {
  MESSAGE_TOO_LARGE: ["invalid", "the message is larger than the broker takes"],
  INVALID_TOPIC_EXCEPTION: [
    "invalid",
    "the topic's name is not one that Kafka takes: letters, digits and ._-, up to 249",
  ],
  UNKNOWN_TOPIC_OR_PARTITION: [
    "config",
    "the topic, or its partition, does not exist: create it, or let the broker (auto.create.topics.enable)",
  ],
  TOPIC_AUTHORIZATION_FAILED: ["config", "the user may not use the topic"],
  GROUP_AUTHORIZATION_FAILED: [
    "config",
    "the user may not use the consumer group: see consumerGroup",
  ],
  CLUSTER_AUTHORIZATION_FAILED: ["config", "the user may not use the cluster"],
  INCONSISTENT_GROUP_PROTOCOL: [
    "config",
    "the others of the consumer group divide partitions by another strategy: set consumerGroupRebalanceStrategy to theirs",
  ],
  INVALID_SESSION_TIMEOUT: ["config", "the broker does not take this sessionTimeout"],
};

/** The component's finding for what kafkajs throws. Its errors may hold what was sent, and do not go along. */
export function explain(error: unknown, component: string): unknown {
  if (!(error instanceof Error) || ComponentError.is(error)) return error;
  const origin = originOf(error);
  const { type, name, message } = origin;
  const [kind, text] = answers[type ?? ""] ?? [];
  if (kind && text) return fault(kind, text);
  if (name === "KafkaJSSASLAuthenticationError") {
    return fault(
      "config",
      "the broker does not accept the user: correct saslUsername, saslPassword and saslMechanism",
    );
  }
  const code = String(origin.code ?? "");
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code) || /certificate/i.test(message)) {
    return fault(
      "config",
      `the broker's certificate is not trusted (${code || message}): set caCert`,
    );
  }
  if (
    /^(ERR_(SSL|OSSL)|EPROTO)/.test(code) ||
    /wrong version number|:SSL routines:/.test(message)
  ) {
    return fault(
      "config",
      "the broker does not speak TLS at this address: see brokers and disableTls",
    );
  }
  if (origin instanceof TypeError || origin instanceof RangeError) return error;
  return fault("unavailable", `Kafka: ${message}`);

  function fault(kind: ComponentError["kind"], problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}

/** kafkajs wraps what it tried several times. */
export function originOf(error: Error): DriverError {
  const { cause } = error;
  return cause instanceof Error ? originOf(cause) : error;
}

export function unavailable(component: string, problem: string): ComponentError {
  return new ComponentError("unavailable", `component ${component}: ${problem}`);
}
