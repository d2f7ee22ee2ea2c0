import type { Clock, Random } from "./contracts/host.ts";
import type { Listener } from "./events.ts";
import type { Components } from "./runtime.ts";

/** What the `serve` and `open` of every target take. */
export interface ServeOptions {
  /** By the name that the app uses. Names that nobody declares get the target's defaults. */
  readonly components?: Components | undefined;
  /** Told what the runtime does: calls, conflicts, failures. What it throws is dropped. */
  readonly onEvent?: Listener | undefined;
  /** Time, for tests: see `virtualClock` of `pillion/testing`. */
  readonly clock?: Clock | undefined;
  /** Chance, for tests. */
  readonly random?: Random | undefined;
}

/** Only the ports that were given, to lay over those of a target. */
export function portsOf({ clock, random }: ServeOptions): { clock?: Clock; random?: Random } {
  return { ...(clock && { clock }), ...(random && { random }) };
}
