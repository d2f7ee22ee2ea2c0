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
  /** Work given to `waitUntil` rejected. */
  | { readonly type: "waituntil.failed"; readonly error: unknown }
  /** The app threw where nobody could be told but the caller's status. */
  | { readonly type: "handler.failed"; readonly error: unknown };

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
