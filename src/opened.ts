import type { Component } from "./contracts/component.ts";
import type { Clock, Random } from "./contracts/host.ts";
import type { Listener } from "./events.ts";

/** A component that the runtime has opened, with what its block needs to know about it. */
export interface Opened<Instance> {
  readonly name: string;
  readonly appId: string;
  readonly component: Component;
  readonly instance: Instance;
  readonly features: ReadonlySet<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: Listener | undefined;
  /** Counts a call in; throws once the runtime closes. */
  enter(): void;
  leave(): void;
}
