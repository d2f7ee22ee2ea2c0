import { vi } from "vitest";
import type { Component } from "../../src/contracts/component.ts";
import {
  type Batch,
  type IncomingMessage,
  type Outcome,
  type PubSub,
  type PubSubFeature,
  pubSub,
} from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import type { PillionEvent } from "../../src/events.ts";
import type { CloudEvent, Handler, TopicSubscription } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";

const started: Runtime[] = [];

/** Ends what {@link runtimeWith} made: for `afterEach`. */
export const closeAll = () => Promise.all(started.splice(0).map((runtime) => runtime.close()));

export function runtimeWith(component: Component, id = "shop") {
  const events: PillionEvent[] = [];
  const clock = virtualClock();
  const runtime = createRuntime({
    id,
    components: { pubsub: component },
    host: processHost("node", { clock }),
    onEvent: (event) => events.push(event),
  });
  started.push(runtime);
  return { runtime, events, clock, publisher: runtime.blocks.pubsub("pubsub") };
}

/** A handler that keeps what it got, and what there is so far. */
export function collector(result?: unknown) {
  const got: CloudEvent[] = [];
  const handler = (async (event: CloudEvent) => {
    got.push(event);
    if (result instanceof Error) throw result;
    return result;
  }) as Handler;
  return { got, handler };
}

export const settled = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });

export function fakeComponent(
  instance: Partial<PubSub>,
  options: object = {},
  features: readonly PubSubFeature[] = [],
) {
  return pubSub({
    type: "pubsub.fake",
    runsOn: ["node"],
    fields: {},
    features: () => features,
    open: () => ({ publish: async () => undefined, native: () => undefined, ...instance }),
  })(options);
}

/** A component whose platform pushes, and what it was told of each batch. */
export function pushing({
  failing,
  processingTimeout,
  published = [],
  ...options
}: {
  failing?: string;
  processingTimeout?: number;
  /** Gets the topics of what is published. */
  published?: string[];
  [option: string]: unknown;
}) {
  const accepted: (readonly Outcome[])[] = [];
  const instance: Partial<PubSub> = {
    processingTimeout,
    async publish(topic) {
      if (topic === failing) throw new ComponentError("unavailable", "full");
      published.push(topic);
    },
    accept(event): Batch | undefined {
      if (!Array.isArray(event)) return undefined;
      return {
        messages: event as IncomingMessage[],
        settle(outcomes) {
          accepted.push(outcomes);
          return "settled";
        },
      };
    },
  };
  return { component: fakeComponent(instance, options), accepted };
}

export function message(topic: string, data: unknown): IncomingMessage {
  const event = { id: "e", specversion: "1.0", source: "s", type: "t", data };
  return { id: "m", topic, data: JSON.stringify(event), metadata: {}, attempt: 1 };
}

export function receive(
  runtime: Runtime,
  subscription: TopicSubscription,
  messages: readonly IncomingMessage[],
) {
  return subscription.receive(runtime, [subscription], messages, runtime.blocks.call);
}
