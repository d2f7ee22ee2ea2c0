import type { Blocks } from "./blocks.ts";

/** Shared by every copy of pillion in a bundle, so that the app's finds what the target's attached. */
const key = Symbol.for("pillion.blocks");

/**
 * Lets the app find its blocks through the execution context that it is given, and nothing else can.
 * They are made when they are first asked for: a request that touches none pays for none.
 */
export function attach(context: object, make: () => Blocks): void {
  let blocks: Blocks | undefined;
  (context as Attached)[key] = () => (blocks ??= make());
}

export function attachedTo(context: object | undefined): Blocks | undefined {
  return (context as Attached | undefined)?.[key]?.();
}

interface Attached {
  [key]?: () => Blocks;
}
