/**
 * A process of its own that gets a message which nobody survives: `node _poison.ts '{ "type", "options", "topic", "dead" }'`.
 * Every other delivery that it begins fails, the ones between end the process. It prints `ready`, `+attempt` for each that
 * begins, `=n` for a number that it handles, and `-` for what reaches the topic of the dead.
 */
import { writeSync } from "node:fs";
import { registry } from "../../bindings/node/registry.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { Component } from "../../src/contracts/component.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { MAX_RETRIES, type Poisoned } from "./_budget.ts";

const { type, options, topic, dead, metadata, begun }: Poisoned & { readonly begun: number } =
  JSON.parse(process.argv[2] ?? "{}");
const create = await registry[type]?.();
if (!create) throw new Error(`no component ${type}`);
const runtime = createRuntime({
  id: "poisoned",
  components: { pubsub: create(options) as Component<"pubsub"> },
  host: processHost("node"),
});
// Whole, and before the process may end.
const tell = (line: string) => writeSync(1, `${line}\n`);
let count = begun;
const live = await startSubscriptions(runtime, [
  subscribe(
    "pubsub",
    topic,
    ({ data }, _blocks, { attempt }) => {
      if (data !== "poison") return void tell(`=${data}`);
      tell(`+${attempt}`);
      if (count++ % 2 === 1) process.kill(process.pid, "SIGKILL");
      throw new Error("on purpose");
    },
    { maxRetries: MAX_RETRIES, retryDelayMs: 50, deadLetterTopic: dead, metadata },
  ),
  subscribe("pubsub", dead, () => void tell("-")),
]);
tell("ready");
process.once("SIGTERM", async () => {
  await live.stop();
  await runtime.close();
});
