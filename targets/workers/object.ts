import { DurableObject } from "cloudflare:workers";
import type { ObjectContext } from "../../bindings/cloudflare/_object.ts";
import {
  type ObjectOperation,
  type Refusal,
  StateObject,
  type StateStub,
} from "../../bindings/cloudflare/_state-object.ts";

/**
 * The one Durable Object class of pillion, to be exported by the Worker's main module. What an instance holds
 * follows from its name: `state/` and a component's name for state.
 */
export interface PillionObject extends StateStub {
  /** Marks Durable Object classes in Cloudflare's own types. */
  readonly __DURABLE_OBJECT_BRAND: never;
  alarm(): Promise<void>;
}

class Holder extends DurableObject implements StateStub {
  readonly #context: ObjectContext;
  #opened: StateObject | undefined;

  constructor(context: ObjectContext, env: unknown) {
    super(context, env);
    this.#context = context;
  }

  /** Made by the first call of its block, so that an object of another block has no table of this one. */
  get #state(): StateObject {
    return (this.#opened ??= new StateObject(this.#context.storage));
  }

  async stateGet(key: string, now: number) {
    return this.#state.get(key, now);
  }

  async stateGetBulk(keys: readonly string[], now: number) {
    return this.#state.getBulk(keys, now);
  }

  async stateApply(operation: ObjectOperation, now: number) {
    return this.#wakeFor([operation], this.#state.apply(operation, now));
  }

  async stateTransaction(operations: readonly ObjectOperation[], now: number) {
    return this.#wakeFor(operations, this.#state.transaction(operations, now));
  }

  async stateList(prefix: string, limit: number, cursor: string | undefined, now: number) {
    return this.#state.list(prefix, limit, cursor, now);
  }

  /** Removes expired items. Until then they take up space and nothing else: no read sees them. */
  async alarm(): Promise<void> {
    const next = this.#state.sweep(Math.floor(Date.now() / 1000));
    if (next !== undefined) await this.#context.storage.setAlarm(sweepTime(next));
  }

  /** Sees to it that what the operations wrote is swept once it has ended. */
  #wakeFor(operations: readonly ObjectOperation[], refusal: Refusal | undefined) {
    const end = refusal ? undefined : earliestEnd(operations);
    return end === undefined ? refusal : this.#wakeAt(sweepTime(end));
  }

  async #wakeAt(time: number): Promise<undefined> {
    const { storage } = this.#context;
    const alarm = await storage.getAlarm();
    if (alarm === null || alarm > time) await storage.setAlarm(time);
  }
}

// The public type is an interface, so that the package's declarations do not name a module only workerd has.
export const PillionObject = Holder as unknown as new (
  context: ObjectContext,
  env: unknown,
) => PillionObject;

/** One sweep serves all that ended within the minute: an alarm for each item would cost a write for each. */
const SWEEP_SECONDS = 60;

/** In milliseconds since the epoch, for an end in seconds. */
function sweepTime(end: number): number {
  return Math.ceil(end / SWEEP_SECONDS) * SWEEP_SECONDS * 1000;
}

/** When the first item that the operations wrote ends, in seconds since the epoch. */
function earliestEnd(operations: readonly ObjectOperation[]): number | undefined {
  let earliest: number | undefined;
  for (const { row } of operations) {
    if (row?.expires == null) continue;
    if (earliest === undefined || row.expires < earliest) earliest = row.expires;
  }
  return earliest;
}
