import type { Blocks, BoundBlocks } from "../../blocks.ts";
import type { Call } from "../../contracts/host.ts";
import type { Subscription } from "../../contracts/pubsub.ts";
import type { Runtime } from "../../runtime.ts";
import type { PublishOptions } from "../pubsub/api.ts";
import { prepare } from "../pubsub/publish.ts";
import type { Topic } from "../pubsub/topic.ts";
import type { Operation } from "../state/api.ts";
import { carrying, checkCarrier } from "../state/carry.ts";
import { createState } from "../state/create.ts";
import { type OpenedState, perform } from "../state/handle.ts";
import type { Unreadable } from "./left.ts";
import { place } from "./place.ts";
import { outliving, publishLeft, publishRow, startRelay, told } from "./relay.ts";
import { LEASE_MS, type Row, type RowMessage, toMessage, toOperation } from "./rows.ts";

/** An operation of {@link Outbox.transaction}: the event is published once, and only if, the transaction is committed. */
export type PublishOperation = { readonly operation: "publish" } & PublishOptions &
  (
    | { readonly pubsub: string; readonly topic: string; readonly data: unknown }
    /** Checks the data against the topic's schema before anything is written. */
    | { readonly topic: Pick<Topic<never>, "pubsub" | "bind">; readonly data: unknown }
  );

/** Of one state store, made by {@link outbox}. */
export interface Outbox {
  /**
   * As `state(store).transaction`, and publishes: both or neither, whatever is killed. Resolves once it is committed; the
   * events follow, each at least once under one id, and again until the broker has them.
   */
  transaction(
    blocks: Blocks,
    operations: readonly (Operation<unknown> | PublishOperation)[],
  ): Promise<void>;
  /**
   * Publishes what was left by a process or invocation that ended too early: for a scheduled event. Throws the first error
   * of what still cannot be published, which stays and is tried again after growing pauses.
   */
  relay(blocks: Blocks): Promise<void>;
  /** Does that now and every few seconds, for a process. */
  start(runtime: Runtime): Subscription;
}

/**
 * Commits events with state. Name it in `defineApp({ outboxes })`: a Node process then publishes at its start and from
 * time to time what an earlier one left; elsewhere a transaction does, at most every few seconds, and so does `relay`.
 */
export function outbox(store = "statestore"): Outbox {
  let started = 0;
  let looked = Number.NEGATIVE_INFINITY;
  const unreadable: Unreadable = new Map();
  return { transaction, relay, start };

  async function transaction(
    blocks: Blocks,
    operations: readonly (Operation<unknown> | PublishOperation)[],
  ): Promise<void> {
    const { find, call } = blocks as Blocks & BoundBlocks;
    const opened = find("state", store);
    checkCarrier(opened, `outbox("${store}")`);
    const written: Operation<unknown>[] = [];
    const messages: RowMessage[] = [];
    for (const operation of operations) {
      if (operation.operation !== "publish") written.push(operation);
      else messages.push(await toRowMessage(blocks, operation));
    }
    if (messages.length === 0) return createState(opened, call).transaction(written);
    const at = opened.clock.now();
    const row: Row = { at, due: at + LEASE_MS, messages };
    const key = await commit(opened, call, written, row);
    const own = outliving(call);
    call.waitUntil(publishRow(find, opened, key, row, own).catch(told(opened)));
    if (started > 0 || at - looked < LEASE_MS) return;
    looked = at;
    call.waitUntil(publishLeft(find, opened, own, unreadable).catch(told(opened)));
  }

  async function relay(blocks: Blocks): Promise<void> {
    const { find, call } = blocks as Blocks & BoundBlocks;
    const error = await publishLeft(find, find("state", store), call, unreadable);
    if (error) throw error;
  }

  function start(runtime: Runtime): Subscription {
    checkCarrier(runtime.find("state", store), `outbox("${store}")`);
    started++;
    const { stop } = startRelay(runtime, store);
    return {
      async stop() {
        started--;
        await stop();
      },
    };
  }
}

async function toRowMessage(blocks: Blocks, operation: PublishOperation): Promise<RowMessage> {
  const { find, call } = blocks as Blocks & BoundBlocks;
  const { operation: _, data, ...rest } = operation;
  if (typeof operation.topic === "string") {
    const { pubsub, topic, ...options } = rest as { pubsub: string; topic: string };
    return toMessage(pubsub, topic, prepare(find("pubsub", pubsub), call, topic, data, options));
  }
  const { topic, ...options } = rest as { topic: Topic<unknown> };
  const ready: RowMessage[] = [];
  const collected = {
    async publish(name: string, checked: unknown) {
      const opened = find("pubsub", topic.pubsub);
      ready.push(toMessage(topic.pubsub, name, prepare(opened, call, name, checked, options)));
    },
  };
  await topic.bind(collected as never).publish(data);
  return ready[0] as RowMessage;
}

/** Resolves to the row's key. */
async function commit(
  opened: OpenedState,
  call: Call,
  operations: readonly Operation<unknown>[],
  row: Row,
): Promise<string> {
  const { instance } = opened;
  let key = "";
  const carrier = carrying(opened, async (others, own) => {
    key = await place(opened, own, (free) =>
      instance.transaction?.([...others, toOperation(free, row)], own),
    );
  });
  if (operations.length > 0) await createState(carrier, call).transaction(operations);
  else {
    const handle = { opened, call, schema: undefined };
    await perform(handle, "transaction", undefined, async () =>
      carrier.instance.transaction?.([], call),
    );
  }
  return key;
}
