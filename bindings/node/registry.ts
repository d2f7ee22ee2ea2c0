import type { Component } from "../../src/contracts/component.ts";

/** Makes a component. A method's type, so that it fits every factory: options found by name are checked when it opens. */
export type ComponentFactory = { create(options: object): Component }["create"];

/**
 * Every component by its type, or its type, `/` and Dapr's version of it, loaded when it is asked for. For whoever knows components only by name:
 * a bundler takes in all of them.
 */
export const registry: Readonly<Record<string, () => Promise<ComponentFactory>>> = {
  "pubsub.aws.eventbridge": async () => (await import("../aws/eventbridge.ts")).pubsub,
  "pubsub.aws.snssqs": async () => (await import("../aws/sns-sqs.ts")).pubsub,
  "pubsub.cloudflare.queues": async () => (await import("../cloudflare/queues.ts")).pubsub,
  "pubsub.in-memory": async () => (await import("../memory.ts")).pubsub,
  "pubsub.jetstream": async () => (await import("./nats.ts")).pubsub,
  "pubsub.kafka": async () => (await import("./kafka.ts")).pubsub,
  "pubsub.mqtt3": async () => (await import("./mqtt.ts")).pubsub,
  "pubsub.rabbitmq": async () => (await import("./rabbitmq.ts")).pubsub,
  "pubsub.redis": async () => (await import("./redis.ts")).pubsub,
  "pubsub.sqlite": async () => (await import("./sqlite.ts")).pubsub,
  "secretstores.local.env": async () => (await import("../env.ts")).secrets,
  "state.aws.dynamodb": async () => (await import("../aws/dynamodb.ts")).state,
  "state.cloudflare.d1": async () => (await import("../cloudflare/d1.ts")).state,
  "state.cloudflare.durableobjects": async () =>
    (await import("../cloudflare/durable-objects.ts")).state,
  "state.cloudflare.workerskv": async () => (await import("../cloudflare/kv.ts")).state,
  "state.in-memory": async () => (await import("../memory.ts")).state,
  "state.postgresql": async () => (await import("./postgresql.ts")).stateV1,
  "state.postgresql/v2": async () => (await import("./postgresql.ts")).state,
  "state.redis": async () => (await import("./redis.ts")).state,
  "state.sqlite": async () => (await import("./sqlite.ts")).state,
  "state.upstash": async () => (await import("../upstash.ts")).state,
};
