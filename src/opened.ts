import type { Component } from "./contracts/component.ts";
import type { Call, Clock, Random } from "./contracts/host.ts";
import { ApiError, configurationError, messageOf } from "./errors.ts";
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

/** The platform's own client. */
export function native<T>(
  { name, instance, enter, leave }: Opened<{ native(call: Call): unknown }>,
  call: Call,
): T {
  enter();
  try {
    return instance.native(call) as T;
  } catch (cause) {
    const text = `component ${name} has no client to hand over: ${messageOf(cause)}`;
    throw ApiError.is(cause) ? cause : configurationError(text, { cause });
  } finally {
    leave();
  }
}
