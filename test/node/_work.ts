/**
 * What processes that are killed do. Their deliveries are told of where the broker makes them, below the inbox: those too
 * that it keeps from the handler.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import type { PubSub, SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { type Handler, subscribe } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { APP, commitEffect, type Effects, storeOf } from "../harness/effects.ts";
import { text } from "./_broker.ts";

/** `handled` is acknowledged next, `failed` comes again; `repeated` is what an inbox says beside. */
export type Told =
  | {
      readonly is: "begun" | "handled" | "failed";
      readonly number: number;
      readonly attempt: number;
    }
  | { readonly is: "repeated" };

export interface Work {
  readonly broker: Component<"pubsub">;
  readonly topic: string;
  readonly concurrency?: number | undefined;
  /** Milliseconds that a handler takes beside its effect. */
  readonly ms: number;
  /** Without them, handlers have none. */
  readonly effects?: Effects | undefined;
  readonly host?: Host | undefined;
  tell(what: Told): void;
}

export interface Working {
  readonly runtime: Runtime;
  /** Lets the handlers end. */
  stop(): Promise<void>;
}

/** Handles numbers, or objects with one, from a topic; resolves once it is subscribed. */
export async function startWork(work: Work): Promise<Working> {
  const { broker, topic, concurrency, effects, host = processHost("node"), tell } = work;
  const stores = effects && { statestore: await storeOf(effects) };
  const runtime = createRuntime({
    id: APP,
    components: { pubsub: telling(broker, tell), ...stores },
    host,
    onEvent: ({ type }) => type === "pubsub.repeated" && tell({ is: "repeated" }),
  });
  const idempotent = effects?.idempotent || undefined;
  const live = await startSubscriptions(runtime, [
    subscribe("pubsub", topic, handlerOf(work), { concurrency, idempotent }),
  ]);
  const stop = async () => {
    await live.stop();
    await runtime.close();
  };
  return { runtime, stop };
}

/** Whenever it is killed in mid-handler, about half of what is in hand has had its effect: odd numbers begin with it. */
function handlerOf({ ms, effects }: Work): Handler {
  return async ({ data }, blocks) => {
    const number = numberOf(data);
    const isFirst = number % 2 === 1;
    if (effects && isFirst) await commitEffect(blocks, number);
    await sleep(ms);
    if (effects && !isFirst) await commitEffect(blocks, number);
  };
}

function numberOf(data: unknown): number {
  return (data as { number?: number }).number ?? (data as number);
}

/** The broker, which tells of its deliveries. */
function telling(component: Component<"pubsub">, tell: Work["tell"]): Component<"pubsub"> {
  const told = ({ deliver, ...request }: SubscribeRequest): SubscribeRequest => ({
    ...request,
    async deliver(message, lost) {
      const number = numberOf(JSON.parse(text(message)).data);
      const { attempt } = message;
      tell({ is: "begun", number, attempt });
      const outcome = await deliver(message, lost);
      tell({ is: outcome.is === "done" ? "handled" : "failed", number, attempt });
      return outcome;
    },
  });
  return {
    ...component,
    features: component.features,
    open(host, name, appId) {
      const broker = component.open(host, name, appId);
      const subscribe = broker.subscribe?.bind(broker);
      const own: Partial<PubSub> = {
        subscribe: subscribe && ((request, call) => subscribe(told(request), call)),
      };
      return Object.assign(Object.create(broker), own);
    },
  };
}
