import type { CloudEvent, Handler, Publisher, SubscribeOptions } from "../../blocks/pubsub/api.ts";
import type { PubSubFeature, Subscription } from "../../contracts/pubsub.ts";
import { systemClock } from "../../web.ts";
import { ok } from "../assert.ts";

/** Who subscribes in a case: `a` in its first process where nothing else is said. */
export interface Subscriber extends SubscribeOptions {
  /** Subscribers with the same one share the messages. */
  readonly consumer?: "a" | "b" | undefined;
  /** Each has the component opened for itself, as another process would. */
  readonly process?: 1 | 2 | undefined;
}

/** What a case gets. Topics and consumers of two beds never meet. */
export interface PubSubBed {
  readonly publisher: Publisher;
  /** Makes a topic that no other case and no other run uses. */
  topic(name: string): string;
  /** A filter, where the broker has any, with a topic that it matches and one that it does not. */
  wildcard?(name: string): {
    readonly filter: string;
    readonly inside: string;
    readonly outside: string;
  };
  /** Resolves once what is published from then on will be delivered. */
  subscribe(topic: string, handler: Handler, options?: Subscriber): Promise<Subscription>;
}

export interface PubSubCase {
  /** Run only for components that claim all of these. */
  readonly needs?: readonly PubSubFeature[];
  /** Run only for components that do not claim it: they must refuse. */
  readonly lacks?: PubSubFeature;
  run(bed: PubSubBed): Promise<void>;
}

/** Milliseconds in which a broker must have delivered, as Dapr's own suite waits. */
const PATIENCE_MS = 60_000;

export const pause = (ms: number) => systemClock.sleep(ms);

/** Waits until `condition` holds; `what` says what did not come about. */
export async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = systemClock.now() + PATIENCE_MS;
  while (!condition()) {
    ok(systemClock.now() < end, `after ${PATIENCE_MS} ms: ${what()}`);
    await pause(5);
  }
}

/** Waits for `count` of something, and then a little for what must not come. */
export async function exactly(seen: readonly unknown[], count: number): Promise<void> {
  await until(
    () => seen.length >= count,
    () => `expected ${count} deliveries, got ${seen.length}`,
  );
  await pause(50);
  ok(seen.length === count, `expected ${count} deliveries, got ${seen.length}`);
}

/** A handler that notes the data of its events. */
export function collector(): { readonly seen: unknown[]; readonly handler: Handler } {
  const seen: unknown[] = [];
  return { seen, handler: ({ data }: CloudEvent) => void seen.push(data) };
}

/** A promise and what resolves it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
