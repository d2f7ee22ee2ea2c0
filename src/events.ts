import type { ErrorCode, ErrorKind } from "./errors.ts";

/** What the runtime reports about itself. No event holds a value, a secret or a setting. */
export type PillionEvent =
  | {
      readonly type: "component.opened";
      readonly component: string;
      readonly componentType: string;
    }
  /** It could not be connected at the start, which goes on without it. */
  | { readonly type: "component.failed"; readonly component: string; readonly error: unknown }
  | { readonly type: "component.closed"; readonly component: string; readonly error?: Error }
  | {
      readonly type: "state.call";
      readonly component: string;
      readonly operation: StateCallName;
      readonly durationMs: number;
      readonly error?: { readonly code: ErrorCode; readonly kind: ErrorKind | undefined };
    }
  /** `update` lost a race and reads again. */
  | {
      readonly type: "state.conflict";
      readonly component: string;
      readonly key: string;
      readonly attempt: number;
    }
  | {
      readonly type: "pubsub.call";
      readonly component: string;
      readonly operation: "publish" | "publishBulk";
      readonly topic: string;
      readonly durationMs: number;
      readonly error?: { readonly code: ErrorCode; readonly kind: ErrorKind | undefined };
    }
  /** A message was delivered. `error` is what the handler threw, or why there was no event for it. */
  | {
      readonly type: "pubsub.delivery";
      readonly component: string;
      readonly topic: string;
      readonly attempt: number;
      readonly outcome: DeliveryOutcome;
      readonly durationMs: number;
      readonly error?: unknown;
    }
  /** An event was delivered that its inbox knows: it is acknowledged, and no handler's writes are kept. */
  | {
      readonly type: "pubsub.repeated";
      readonly component: string;
      readonly topic: string;
      readonly attempt: number;
    }
  /** Events of an outbox could not be published, or not read; they lie in the state store and are tried again after growing pauses. */
  | { readonly type: "outbox.failed"; readonly component: string; readonly error: unknown }
  /** Work given to `waitUntil` rejected. */
  | { readonly type: "waituntil.failed"; readonly error: unknown }
  /** The app threw where nobody could be told but the caller's status, or a batch of messages was given back whole. */
  | { readonly type: "handler.failed"; readonly error: unknown };

/**
 * `handled`; `retried`: it comes again; `dead-lettered`; `dropped`: the handler said so, or its tries are used up and
 * there is no dead-letter topic; `unrouted`: no rule matched; `expired`.
 */
export type DeliveryOutcome =
  | "handled"
  | "retried"
  | "dead-lettered"
  | "dropped"
  | "unrouted"
  | "expired";

export type StateCallName =
  | "get"
  | "getBulk"
  | "set"
  | "setBulk"
  | "delete"
  | "deleteBulk"
  | "transaction"
  | "list";

export type Listener = (event: PillionEvent) => void;

/** A listener that cannot fail the call it hears of: what it throws is dropped. */
export function guarded(listener: Listener | undefined): Listener | undefined {
  return (
    listener &&
    ((event) => {
      try {
        listener(event);
      } catch {
        // There is nobody to tell: telling is what failed.
      }
    })
  );
}
