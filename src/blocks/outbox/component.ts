import type { Component } from "../../contracts/component.ts";
import type { Call, Host } from "../../contracts/host.ts";
import type { Subscription } from "../../contracts/pubsub.ts";
import type { StateOperation, StateStore } from "../../contracts/state.ts";
import { ComponentError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { delegating } from "../delegating.ts";
import { checkCarrier } from "../state/carry.ts";
import type { OpenedState } from "../state/handle.ts";
import { type Details, details, type EventSettings, eventsOf } from "./events.ts";
import { place } from "./place.ts";
import { outliving, publishRow, startRelay, told } from "./relay.ts";
import { LEASE_MS, type Row, toOperation } from "./rows.ts";

/** Set by a process once it has opened the store. */
interface Attended {
  readonly runtime: Runtime;
  readonly opened: OpenedState;
  readonly relay: Subscription;
}

/**
 * The same store, each of whose transactions also publishes what it writes, as Dapr's `outboxPublishPubsub` and
 * `outboxPublishTopic` have it: one event for each item, committed with the items and published afterwards. For a process,
 * which publishes what an earlier one left.
 */
export function publishing(
  component: Component<"state">,
  settings: EventSettings,
): Component<"state"> {
  const { type, version, fields, runsOn, clock, options } = component;
  let attended: Attended | undefined;
  return {
    type,
    version,
    fields,
    runsOn,
    clock,
    options,
    get features() {
      return component.features;
    },
    open(host: Host, name: string, appId?: string) {
      const store = component.open(host, name, appId);
      const transaction = (
        operations: readonly StateOperation[],
        call: Call,
        asked: Details = new Map(),
      ) => commit(store, name, attended, settings, operations, call, asked);
      async function close(): Promise<void> {
        await attended?.relay.stop();
        await store.close?.();
      }
      const maxOperations = store.maxOperations && store.maxOperations - 1;
      const own = { close, ...(store.transaction && { transaction, [details]: transaction }) };
      return delegating(store, { ...own, ...(maxOperations && { maxOperations }) });
    },
    attend(runtime, name) {
      const opened = runtime.find("state", name);
      checkCarrier(opened, `outboxPublishPubsub of component ${name}`);
      runtime.find("pubsub", settings.pubsub);
      attended = { runtime, opened, relay: startRelay(runtime, name) };
    },
  };
}

async function commit(
  store: StateStore,
  name: string,
  attended: Attended | undefined,
  settings: EventSettings,
  operations: readonly StateOperation[],
  call: Call,
  asked: Details,
): Promise<void> {
  if (!attended) {
    throw new ComponentError(
      "config",
      `component ${name} has an outbox, which only a process publishes from: serve or open it`,
    );
  }
  const { opened, runtime } = attended;
  const messages = eventsOf(opened, settings, operations, call, asked);
  if (messages.length === 0) return store.transaction?.(operations, call);
  const at = opened.clock.now();
  const row: Row = { at, due: at + LEASE_MS, messages };
  const key = await place(opened, call, (free) =>
    store.transaction?.([...operations, toOperation(free, row)], call),
  );
  call.waitUntil(publishRow(runtime.find, opened, key, row, outliving(call)).catch(told(opened)));
}
