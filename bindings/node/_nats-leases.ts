import type { Msg } from "@nats-io/transport-node";
import type { Clock } from "../../src/contracts/host.ts";

/** Messages that are being delivered. The server is told so, or it would give them to another. */
export interface Leases {
  /** `since`: when the message's lease began. */
  add(message: Msg, since: number): void;
  remove(message: Msg): void;
}

export interface LeasesOptions {
  readonly clock: Clock;
  /** How long the server waits for an answer. */
  readonly lease: number;
  /** The longest that a delivery may take. What takes longer is another's. */
  readonly longest: number;
  /** Begins a message's lease anew. */
  renew(message: Msg): void;
}

interface Held {
  readonly until: number;
  since: number;
}

const LONGEST_PAUSE_MS = 5000;

/** One timer for all: one for each would be felt in the time that a message takes. */
export function createLeases({ clock, lease, longest, renew }: LeasesOptions): Leases {
  const held = new Map<Msg, Held>();
  let timer: NodeJS.Timeout | undefined;
  return {
    add(message, since) {
      const now = clock.now();
      const one = { since, until: now + longest };
      held.set(message, one);
      look(message, one, now);
      timer ??= setInterval(lookAll, Math.min(lease / 4, LONGEST_PAUSE_MS)).unref();
    },
    remove: (message) => void held.delete(message),
  };

  function lookAll(): void {
    const now = clock.now();
    for (const [message, one] of held) look(message, one, now);
    if (held.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  function look(message: Msg, one: Held, now: number): void {
    if (now >= one.until) held.delete(message);
    else if (now - one.since >= lease / 2) {
      one.since = now;
      renew(message);
    }
  }
}
