/**
 * A process of its own that consumes one topic: `node _consumer.ts '{ "type", "options", "topic", … }'`. It prints `ready`,
 * `+n` when a delivery of the number n begins, `-n` when it is handled or `~n` when it is to come again, and `=` for each
 * that its inbox knows. SIGTERM stops it.
 */
import { registry } from "../../bindings/node/registry.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Consumption } from "../harness/consumers.ts";
import { startWork, type Told } from "./_work.ts";

const { type, options, topic, concurrency, ms, effects }: Consumption = JSON.parse(
  process.argv[2] ?? "{}",
);
const create = await registry[type]?.();
if (!create) throw new Error(`no component ${type}`);
const broker = create(options) as Component<"pubsub">;
const signs = { begun: "+", handled: "-", failed: "~" };
const tell = (what: Told) => {
  process.stdout.write(what.is === "repeated" ? "=\n" : `${signs[what.is]}${what.number}\n`);
};
const { stop } = await startWork({ broker, topic, concurrency, ms, effects, tell });
process.stdout.write("ready\n");
process.once("SIGTERM", stop);
