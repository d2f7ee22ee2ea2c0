import type { Call } from "../../contracts/host.ts";
import type { StateOperation } from "../../contracts/state.ts";
import { ComponentError } from "../../errors.ts";
import { carrying } from "../state/carry.ts";
import type { OpenedState } from "../state/handle.ts";

/** Whether one event was handled, kept in a state store. */
export interface Memory {
  /** The store, whose first transaction that is done remembers the event. */
  readonly opened: OpenedState;
  isKnown(call: Call): Promise<boolean>;
  /** Remembers it, unless a transaction did. */
  write(call: Call): Promise<void>;
  /** Another delivery of it was remembered first. */
  isLost(): boolean;
}

/** `open`: nothing is written by this delivery. */
type Phase = "open" | "written" | "lost";

export function memoryOf(opened: OpenedState, key: string, ttl: number): Memory {
  const { instance } = opened;
  const mark: StateOperation = {
    operation: "upsert",
    key,
    value: { json: "1" },
    when: "absent",
    ttl: ttl || undefined,
  };
  let phase: Phase = "open";
  let turn: Promise<unknown> = Promise.resolve();
  return { opened: carrying(opened, transact), isKnown, write, isLost: () => phase === "lost" };

  async function isKnown(call: Call): Promise<boolean> {
    return (await instance.get(key, {}, call)) !== undefined;
  }

  /** One after the other, or the second would be done without the mark that the first may fail to write. */
  function transact(operations: readonly StateOperation[], call: Call): Promise<void> {
    const done = turn.then(() => attempt(operations, call));
    turn = done.catch(() => undefined);
    return done;
  }

  async function attempt(operations: readonly StateOperation[], call: Call): Promise<void> {
    if (phase === "written") return instance.transaction?.(operations, call);
    try {
      await instance.transaction?.([...operations, mark], call);
      phase = "written";
    } catch (cause) {
      // Of a lost race the store does not say on which key.
      if (ComponentError.is(cause, "etag-mismatch") && (await isKnown(call))) phase = "lost";
      throw cause;
    }
  }

  async function write(call: Call): Promise<void> {
    await turn;
    if (phase === "open") await attempt([], call);
  }
}
