import type { Blocks } from "./blocks.ts";

/** Shared by every copy of pillion in a bundle, so that the app's finds what the target's attached. */
const key = Symbol.for("pillion.blocks");

export interface Attached {
  /** Made when it is first read: a request that touches no block pays nothing. */
  readonly blocks: Blocks;
}

/** Lets the app find its blocks through the execution context that it is given, and nothing else can. */
export function attach(context: object, attached: Attached): void {
  (context as Record<symbol, unknown>)[key] = attached;
}

export function attachedTo(context: object | undefined): Attached | undefined {
  return context && ((context as Record<symbol, unknown>)[key] as Attached | undefined);
}
