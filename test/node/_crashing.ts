/**
 * A process of its own that commits an event with state, and ends itself by SIGKILL at one step of it:
 * `node _crashing.ts '{ "app", "kind", "options", "journal", "role", "die" }'`. Its broker is a file that messages are
 * appended to, and whose consumer gets one event until it is acknowledged.
 */
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import * as postgresql from "../../bindings/node/postgresql.ts";
import * as redis from "../../bindings/node/redis.ts";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { publishing } from "../../src/blocks/outbox/component.ts";
import { outbox } from "../../src/blocks/outbox/outbox.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Blocks } from "../../src/blocks.ts";
import type { Component } from "../../src/contracts/component.ts";
import { pubSub } from "../../src/contracts/pubsub.ts";
import type { StateOperation, StateStore } from "../../src/contracts/state.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { systemClock } from "../../src/web.ts";
import { processHost } from "../../targets/_process/host.ts";

export type Step =
  | "before the commit"
  | "after the commit"
  | "before the event"
  | "after the event"
  | "after the row";

export interface Plan {
  readonly app: string;
  readonly kind: "sqlite" | "redis" | "postgresql";
  readonly options: object;
  readonly journal: string;
  /** `commit` writes once, `handle` consumes an event, `relay` publishes what is left and goes. */
  readonly role: "commit" | "handle" | "relay";
  readonly die?: Step | undefined;
  /** Whether the store's own outbox publishes, as Dapr's settings have it, and not the app's. */
  readonly settings?: boolean | undefined;
}

const plan: Plan = JSON.parse(process.argv[2] ?? "{}");

async function reach(step: Step): Promise<void> {
  if (plan.die !== step) return;
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => {});
}

const stores = { sqlite: sqlite.state, redis: redis.state, postgresql: postgresql.state };

/** The store, which says when an outbox's row is committed and when it is deleted. */
function watched(component: Component<"state">): Component<"state"> {
  const isRow = ({ key }: { readonly key: string }) => key.includes("outbox||");
  const around = (store: StateStore): Partial<StateStore> => ({
    async transaction(operations: readonly StateOperation[], call) {
      const rows = operations.some(isRow);
      if (rows) await reach("before the commit");
      await store.transaction?.(operations, call);
      if (rows) await reach("after the commit");
    },
    async delete(key, options, call) {
      await store.delete(key, options, call);
      if (isRow({ key })) await reach("after the row");
    },
  });
  return {
    ...component,
    features: component.features,
    open(host, name) {
      const store = component.open(host, name);
      return Object.assign(Object.create(store), around(store));
    },
  };
}

let acknowledged = false;
const pubsub = pubSub({
  type: "pubsub.journal",
  runsOn: ["node"],
  fields: {},
  features: () => [],
  open: () => ({
    async publish(_topic, { data }) {
      await reach("before the event");
      appendFileSync(plan.journal, `${data}\n`);
      await reach("after the event");
    },
    async subscribe({ deliver }) {
      const data = JSON.stringify({ id: "in", specversion: "1.0", source: "s", type: "t" });
      const message = { id: "m", topic: "in", data, metadata: {} };
      for (let attempt = 1; !acknowledged; attempt++) {
        acknowledged = (await deliver({ ...message, attempt })).is === "done";
      }
      return { stop: async () => undefined };
    },
    native: () => undefined,
  }),
})({});

const orders = outbox();

async function place(blocks: Blocks): Promise<void> {
  const item = await blocks.state("statestore").getItem<number>("count");
  const value = (item?.value ?? 0) + 1;
  const condition = item ? { etag: item.etag } : ({ concurrency: "first-write" } as const);
  const write = { operation: "upsert", key: "count", value, ...condition } as const;
  if (plan.settings) await blocks.state("statestore").transaction([write]);
  else await orders.transaction(blocks, [write, { operation: "publish", ...to, data: value }]);
}

const to = { pubsub: "pubsub", topic: "out" };
const plain = watched(stores[plan.kind](plan.options as never));
const statestore = plan.settings ? publishing(plain, to) : plain;
// Whoever comes after a crash comes when the rows that it left are due.
const now = () => Date.now() + (plan.die ? 0 : 60_000);
const host = processHost("node", { clock: { ...systemClock, now } });
const runtime = createRuntime({ id: plan.app, components: { statestore, pubsub }, host });
if (plan.settings) statestore.attend?.(runtime, "statestore");
const relay = plan.die || plan.settings ? undefined : orders.start(runtime);
if (plan.role === "commit") await place(runtime.blocks);
if (plan.role === "handle") {
  const consuming = subscribe("pubsub", "in", (_event, blocks) => place(blocks), {
    idempotent: inbox(),
  });
  await startSubscriptions(runtime, [consuming]);
}
const { instance } = runtime.find("state", "statestore");
const rows = `${plan.app}||outbox||`;
while ((await instance.list?.(rows, 1, undefined, runtime.blocks.call))?.keys.length) {
  await setTimeout(20);
}
await relay?.stop();
await runtime.close();
