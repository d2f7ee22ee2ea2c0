import { expect, test, vi } from "vitest";
import * as memory from "../bindings/memory.ts";
import { startSubscriptions } from "../src/blocks/pubsub/start.ts";
import { subscribe } from "../src/index.ts";
import { createRuntime } from "../src/runtime.ts";
import { virtualClock } from "../src/testing.ts";
import { processHost } from "../targets/_process/host.ts";
import { pubSubSuite } from "./conformance/pubsub.ts";

const lost = "a message is gone where nobody subscribes";
const own = "each process has a bus of its own";

pubSubSuite("pubsub.in-memory", () => memory.pubsub({}), {
  alone: true,
  wildcard: (name) => ({ filter: `${name}*`, inside: `${name}-inside`, outside: `other-${name}` }),
  skips: {
    "every consumer gets every message": own,
    "two processes of one consumer share the messages": own,
    "stopping one process leaves the messages to the other": own,
    "what is published while no process runs is delivered to the next one": lost,
    "stop waits for the handler in hand, and what waited behind it goes to the next": lost,
    "a message whose time is over is delivered to nobody": lost,
  },
});

test("a handler that never ends is given up after processingTimeout, and its message comes again", async () => {
  const clock = virtualClock();
  const components = { pubsub: memory.pubsub({}) };
  await using runtime = createRuntime({
    id: "shop",
    components,
    host: processHost("node", { clock }),
  });
  const seen: number[] = [];
  const hanging = subscribe("pubsub", "stuck", (_event, _blocks, { attempt }) => {
    seen.push(attempt);
    return attempt === 1 ? new Promise<void>(() => undefined) : undefined;
  });
  const live = await startSubscriptions(runtime, [hanging]);
  await runtime.blocks.pubsub("pubsub").publish("stuck", 1);
  await vi.waitFor(() => expect(seen).toEqual([1]));
  for (let s = 0; s < 59; s++) {
    clock.advance(1000);
    await turn();
  }
  expect(seen).toEqual([1]);
  await vi.waitFor(() => {
    clock.advance(1000);
    expect(seen).toEqual([1, 2]);
  });
  await live.stop();
});

test("a dead letter waits for who subscribes to its topic afterwards", async () => {
  const components = { pubsub: memory.pubsub({}) };
  await using runtime = createRuntime({ id: "shop", components, host: processHost("node") });
  const failing = subscribe("pubsub", "orders", () => ({ status: "DROP" }), {
    deadLetterTopic: "poison",
  });
  const live = [await startSubscriptions(runtime, [failing])];
  const publisher = runtime.blocks.pubsub("pubsub");
  for (const data of [1, 2]) await publisher.publish("orders", data);
  await turn();
  // Nobody is owed these.
  await publisher.publish("other", "lost");
  const got: unknown[] = [];
  const all = subscribe("pubsub", "*", ({ data }) => void got.push(data));
  live.push(await startSubscriptions(runtime, [all]));
  await vi.waitFor(() => expect(got).toEqual([1, 2]));
  live.push(await startSubscriptions(runtime, [all]));
  await publisher.publish("other", "control");
  await vi.waitFor(() => expect(got).toEqual([1, 2, "control", "control"]));
  for (const one of live) await one.stop();
});

test("no time for a handler is refused", async () => {
  const components = { pubsub: memory.pubsub({ processingTimeout: 0 }) };
  await using runtime = createRuntime({ id: "shop", components, host: processHost("node") });
  expect(() => runtime.find("pubsub", "pubsub")).toThrow("processingTimeout must be above 0");
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
