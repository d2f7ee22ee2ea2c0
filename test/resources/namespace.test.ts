import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { namespaced } from "../../src/blocks/pubsub/namespaced.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { type CloudEvent, defineApp, subscribe } from "../../src/index.ts";
import type { Runtime } from "../../src/runtime.ts";
import { open } from "../../targets/node/open.ts";
import { message, pushing, receive, runtimeWith } from "../core/_pubsub.ts";
import { newFolder } from "../harness/folder.ts";
import { component, folderOf, load } from "./_folder.ts";

const setting = (name: string, value: string) => `{ name: ${name}, value: "${value}" }`;

const started: Runtime[] = [];
afterEach(() => Promise.all(started.splice(0).map((runtime) => runtime.close())));

/** One queue under two names: `bus`, whose topics are of the namespace, and `queue`, which shows what the broker has. */
async function serving(env: Readonly<Record<string, string>>, more = "") {
  const file = setting("connectionString", join(newFolder("queue"), "queue.db"));
  const of = (name: string, settings: string) =>
    component(name, "pubsub.sqlite", `${file}, ${settings}`);
  const scoped = of("bus", `${setting("consumerID", "{namespace}-all")}${more}`);
  const text = `${scoped}---\n${of("queue", setting("consumerID", "all"))}`;
  const { components } = await load(folderOf({ "a.yaml": text }), { env });
  const runtime = await open(defineApp({ id: "orders" }), { components });
  started.push(runtime);
  const got: [where: string, event: CloudEvent][] = [];
  const to = (where: string) => (event: CloudEvent) => void got.push([where, event]);
  const { pubsub } = runtime.blocks;
  return { runtime, got, to, bus: pubsub("bus"), queue: pubsub("queue") };
}

describe("a pub/sub component with {namespace} in its settings", () => {
  test.each([
    ["prod", { NAMESPACE: "prod" }],
    ["default", {}],
  ])("has topics of the namespace %s at its broker, and nowhere else", async (prefix, env) => {
    const { runtime, got, to, bus, queue } = await serving(env);
    const raw = { rawPayload: true } as const;
    await startSubscriptions(runtime, [
      subscribe("queue", `${prefix}placed`, to("queue placed")),
      subscribe("queue", `${prefix}buried`, to("queue buried")),
      subscribe("bus", "placed", to("bus placed")),
      subscribe("bus", "raw", to("bus raw"), raw),
      subscribe("bus", "bad", () => "DROP", { deadLetterTopic: "buried" }),
    ]);
    await bus.publish("placed", 1);
    await bus.publishBulk("placed", [{ data: 2 }]);
    await bus.publish("bad", 3);
    await queue.publish(`${prefix}raw`, "4", raw);
    await queue.publish("placed", "not of the namespace");
    await expect.poll(() => got.length, { timeout: 5000 }).toBe(6);
    const told = got.map(([where, { topic, data }]) => [where, topic, data]);
    expect(told).toEqual(
      expect.arrayContaining([
        ["queue placed", "placed", 1],
        ["queue placed", "placed", 2],
        ["bus placed", "placed", 1],
        ["bus placed", "placed", 2],
        ["queue buried", "bad", 3],
        ["bus raw", "raw", new TextEncoder().encode("4")],
      ]),
    );
  });

  test("keeps dead letters in its namespace for who subscribes to them later", async () => {
    const { runtime, got, to, bus, queue } = await serving({ NAMESPACE: "prod" });
    await startSubscriptions(runtime, [
      subscribe("bus", "bad", () => "DROP", { deadLetterTopic: "buried" }),
      subscribe("queue", "told", to("told")),
    ]);
    await bus.publish("bad", 1);
    await queue.publish("told", 2);
    await expect.poll(() => got.length, { timeout: 5000 }).toBe(1);
    await startSubscriptions(runtime, [subscribe("bus", "buried", to("buried"))]);
    await expect
      .poll(() => got.map(([where]) => where), { timeout: 5000 })
      .toEqual(["told", "buried"]);
  });

  test("has scopes by the names without it", async () => {
    const { bus } = await serving({}, `, ${setting("allowedTopics", "placed")}`);
    await bus.publish("placed", 1);
    await expect(bus.publish("defaultplaced", 1)).rejects.toThrow(
      "topic defaultplaced is not allowed",
    );
  });
});

test("what a platform pushes comes to the topic without its namespace", async () => {
  const { component: broker, accepted } = pushing({});
  const { runtime } = runtimeWith(namespaced(broker, "prod"));
  const got: unknown[] = [];
  const subscription = subscribe("pubsub", "placed", ({ data }) => void got.push(data));
  const foreign = { ...message("other", 2), subscribed: "prodother" };
  const result = await receive(runtime, subscription, [message("prodplaced", 1), foreign]);
  expect(result).toEqual({ result: "settled" });
  expect(got).toEqual([1]);
  expect(accepted).toEqual([[{ is: "done" }, { is: "retry" }]]);
});
