/**
 * A process of its own that consumes one topic: `node _consumer.ts TYPE OPTIONS TOPIC CONCURRENCY MS`. It prints `ready`,
 * `+n` when a handler begins with the number n, and `-n` when it ends, MS milliseconds later. SIGTERM stops it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { registry } from "../../bindings/node/registry.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";

const [type = "", options = "{}", topic = "", concurrency = "", ms = ""] = process.argv.slice(2);
const create = await registry[type]?.();
if (!create) throw new Error(`no component ${type}`);
const component = create(JSON.parse(options) as object) as Component<"pubsub">;
const host = processHost("node");
const runtime = createRuntime({ id: "shop", components: { pubsub: component }, host });
const handler = async ({ data }: { data: unknown }) => {
  const number = (data as { number?: number }).number ?? data;
  process.stdout.write(`+${number}\n`);
  await sleep(Number(ms));
  process.stdout.write(`-${number}\n`);
};
const limits = { concurrency: Number(concurrency) };
const live = await startSubscriptions(runtime, [subscribe("pubsub", topic, handler, limits)]);
process.stdout.write("ready\n");
process.once("SIGTERM", async () => {
  await live.stop();
  await runtime.close();
});
