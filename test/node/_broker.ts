import type { SubscribeOptions } from "../../src/blocks/pubsub/api.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { subscribe, type TopicSubscription } from "../../src/blocks/pubsub/subscribe.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Call } from "../../src/contracts/host.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";

/** A call with no end. */
export const call: Call = {
  signal: undefined,
  deadline: undefined,
  trace: {},
  waitUntil: () => undefined,
};

/** The broker itself, of app `shop`. */
export function opened(component: Component<"pubsub">): PubSub {
  return component.open(processHost("node"), "broker", "shop");
}

/** A process of app `shop` with these subscriptions to `pubsub`, and blocks to publish by. */
export async function serving(
  component: Component<"pubsub">,
  ...subscriptions: readonly TopicSubscription[]
): Promise<Runtime> {
  const runtime = createRuntime({
    id: "shop",
    components: { pubsub: component },
    host: processHost("node"),
  });
  const live = await startSubscriptions(runtime, subscriptions);
  const close = async () => {
    await live.stop();
    await runtime.close();
  };
  return { ...runtime, close, [Symbol.asyncDispose]: close };
}

/** A subscription whose handler never ends where `hangs` says so; `seen` is the data and the attempt of each delivery. */
export function hanging(
  topic: string,
  hangs: (data: unknown, attempt: number) => boolean,
  options: SubscribeOptions,
) {
  const seen: string[] = [];
  const subscription = subscribe(
    "pubsub",
    topic,
    ({ data }, _blocks, { attempt }) => {
      seen.push(`${data} ${attempt}`);
      return hangs(data, attempt) ? new Promise<void>(() => undefined) : undefined;
    },
    options,
  );
  return { seen, subscription };
}

export interface Consumer {
  readonly seen: IncomingMessage[];
  stop(): Promise<void>;
}

/** Subscribes with one answer for all, or with one for each message. */
export async function consume(
  broker: PubSub,
  topic: string,
  answer: (message: IncomingMessage) => Outcome | Promise<Outcome> = () => ({ is: "done" }),
  metadata: Readonly<Record<string, string>> = {},
  concurrency?: number,
): Promise<Consumer> {
  const seen: IncomingMessage[] = [];
  const deliver = async (message: IncomingMessage) => {
    seen.push(message);
    return answer(message);
  };
  const subscription = await broker.subscribe?.({ topic, metadata, concurrency, deliver }, call);
  if (!subscription) throw new Error("it delivers nothing to a process");
  return { seen, stop: () => subscription.stop() };
}

/** The error's kind and text. */
export function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (ComponentError.is(error) ? `${error.kind}: ${error.message}` : `${error}`),
  );
}

export const text = ({ data }: IncomingMessage): string =>
  typeof data === "string" ? data : new TextDecoder().decode(data);
