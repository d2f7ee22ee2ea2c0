import { DurableObject } from "cloudflare:workers";
import type { ObjectContext } from "../../bindings/cloudflare/_object.ts";
import {
  StateObject,
  type StateReply,
  type StateRequest,
} from "../../bindings/cloudflare/_state-object.ts";

/**
 * The one Durable Object class of pillion, to be exported by the Worker's main module. What an instance holds
 * follows from its name: `state/` and a component's name for state.
 */
export interface PillionObject {
  /** Marks Durable Object classes in Cloudflare's own types. */
  readonly __DURABLE_OBJECT_BRAND: never;
  state(request: StateRequest): Promise<StateReply>;
  alarm(): Promise<void>;
}

class StateHolder extends DurableObject {
  readonly #context: ObjectContext;
  #state: StateObject | undefined;

  constructor(context: ObjectContext, env: unknown) {
    super(context, env);
    this.#context = context;
  }

  async state(request: StateRequest): Promise<StateReply> {
    this.#state ??= new StateObject(this.#context.storage);
    const reply = this.#state.handle(request);
    if ("done" in reply) await this.#wakeFor(request);
    return reply;
  }

  /** Removes expired items. Until then they take up space and nothing else: no read sees them. */
  async alarm(): Promise<void> {
    this.#state ??= new StateObject(this.#context.storage);
    const next = this.#state.sweep(Date.now());
    if (next !== undefined) await this.#context.storage.setAlarm(later(next));
  }

  async #wakeFor(request: StateRequest): Promise<void> {
    const end = earliestEnd(request);
    if (end === undefined) return;
    const { storage } = this.#context;
    const alarm = await storage.getAlarm();
    if (alarm === null || alarm > later(end)) await storage.setAlarm(later(end));
  }
}

// The public type is an interface, so that the package's declarations do not name a module only workerd has.
export const PillionObject = StateHolder as unknown as new (
  context: ObjectContext,
  env: unknown,
) => PillionObject;

/** One sweep serves all that ended within the minute: an alarm for each item would cost a write for each. */
const SWEEP_INTERVAL_MS = 60_000;

function later(end: number): number {
  return Math.ceil(end / SWEEP_INTERVAL_MS) * SWEEP_INTERVAL_MS;
}

/** When the first item that the request wrote ends, in milliseconds. */
function earliestEnd(request: StateRequest): number | undefined {
  const writes =
    request.do === "transaction" ? request.operations : request.do === "set" ? [request] : [];
  let earliest: number | undefined;
  for (const write of writes) {
    const expires = "expires" in write ? write.expires : undefined;
    if (expires !== undefined && (earliest === undefined || expires < earliest)) earliest = expires;
  }
  return earliest === undefined ? undefined : earliest * 1000;
}
