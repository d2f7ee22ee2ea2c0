import type { Subscription } from "../src/contracts/pubsub.ts";

/** Subscriptions that a component stops when it closes. */
export interface Live {
  /** The same subscription, which is forgotten once it has stopped. */
  add(subscription: Subscription): Subscription;
  stop(): Promise<void>;
}

export function createLive(): Live {
  const all = new Set<Subscription>();
  return {
    add(subscription) {
      all.add(subscription);
      return {
        async stop() {
          await subscription.stop();
          all.delete(subscription);
        },
      };
    },
    stop: async () => void (await Promise.all([...all].map((one) => one.stop()))),
  };
}
