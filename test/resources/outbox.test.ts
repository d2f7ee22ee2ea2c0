import { afterEach, describe, expect, test, vi } from "vitest";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { createApi, runtimeApi } from "../../src/http/index.ts";
import { type CloudEvent, defineApp, subscribe } from "../../src/index.ts";
import type { Runtime } from "../../src/runtime.ts";
import { open } from "../../targets/node/open.ts";
import { requestOf } from "../http/_run.ts";
import { component, folderOf, load } from "./_folder.ts";

const setting = (name: string, value: string) => `{ name: ${name}, value: "${value}" }`;
const outbox = `${setting("outboxPublishPubsub", "bus")}, ${setting("outboxPublishTopic", "out")}`;
const store = (settings: string) => component("store", "state.in-memory", settings);
const bus = component("bus", "pubsub.in-memory");

const started: Runtime[] = [];
afterEach(() => Promise.all(started.splice(0).map((runtime) => runtime.close())));

/** A process on these components, which collects what comes to the topic `out`. */
async function serving(text: string) {
  const { components, warnings } = await load(folderOf({ "a.yaml": text }));
  const runtime = await open(defineApp({ id: "orders" }), { components });
  started.push(runtime);
  const got: CloudEvent[] = [];
  const collecting = subscribe("bus", "out", (event) => void got.push(event));
  await startSubscriptions(runtime, [collecting]);
  const api = runtimeApi(runtime, {});
  const transact = async (...operations: object[]) => {
    const body = JSON.stringify({ operations });
    return (await api.handle(requestOf("POST", "/v1.0/state/store/transaction", { body }))).status;
  };
  return { runtime, warnings, got, transact, state: runtime.blocks.state("store") };
}

const upsert = (key: string, value: unknown, metadata?: Record<string, string>) => ({
  operation: "upsert",
  request: { key, value, ...(metadata && { metadata }) },
});
const settled = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });

describe("a store with Dapr's outbox", () => {
  test("publishes an event for each item that a transaction writes, and none for a delete", async () => {
    const { got, state, warnings } = await serving(`${bus}---\n${store(outbox)}`);
    await state.set("alone", 1);
    await state.transaction([
      { operation: "upsert", key: "a", value: { n: 1 } },
      { operation: "upsert", key: "b", value: new Uint8Array([0, 255]) },
      { operation: "delete", key: "alone" },
    ]);
    await settled(() => expect(got).toHaveLength(2));
    const common = {
      type: "com.dapr.event.sent",
      source: "orders",
      topic: "out",
      pubsubname: "bus",
    };
    expect(got).toMatchObject([
      { ...common, datacontenttype: "application/json", data: { n: 1 } },
      { ...common, datacontenttype: "application/octet-stream", data: new Uint8Array([0, 255]) },
    ]);
    expect(got[0]?.id).not.toBe(got[1]?.id);
    expect((await state.list()).keys).toEqual(["a", "b"]);
    expect(warnings).toEqual([]);
  });

  test("publishes nothing of a transaction that it refuses", async () => {
    const { got, state, transact } = await serving(`${bus}---\n${store(outbox)}`);
    const stale = { operation: "upsert", key: "a", value: 1, etag: "no such" } as const;
    await expect(state.transaction([stale])).rejects.toMatchObject({ kind: "etag-mismatch" });
    expect(await transact(upsert("b", "control"))).toBe(204);
    await settled(() => expect(got).toMatchObject([{ data: "control" }]));
  });

  test("publishes a projection in the place of what is stored, under the event's own attributes", async () => {
    const { got, state, transact } = await serving(`${bus}---\n${store(outbox)}`);
    const attributes = { "cloudevent.id": "mine", "cloudevent.type": "placed" };
    const status = await transact(
      upsert("a", "stored", attributes),
      upsert("a", "published", { "outbox.projection": "True" }),
      upsert("b", "both", { "outbox.projection": "false" }),
      upsert("c", "of nothing", { "outbox.projection": "true" }),
    );
    expect(status).toBe(204);
    await settled(() => expect(got).toHaveLength(2));
    expect(got).toMatchObject([
      { id: "mine", type: "placed", data: "published" },
      { data: "both" },
    ]);
    expect(await state.get("a")).toBe("stored");
    expect((await state.list()).keys).toEqual(["a", "b"]);
  });

  test("without an outbox stores a projection as any other item, as Dapr does", async () => {
    const { state, transact } = await serving(`${bus}---\n${store("")}`);
    expect(await transact(upsert("a", 1, { "outbox.projection": "true" }))).toBe(204);
    expect(await state.get("a")).toBe(1);
  });

  test("publishes what an inbox's handler writes, and not the inbox's mark", async () => {
    const { runtime, got } = await serving(`${bus}---\n${store(outbox)}`);
    const idempotent = inbox("store");
    const writing = subscribe(
      "bus",
      "in",
      (event, blocks) =>
        blocks.state("store").transaction([{ operation: "upsert", key: "a", value: event.data }]),
      { idempotent },
    );
    await startSubscriptions(runtime, [writing]);
    const publisher = runtime.blocks.pubsub("bus");
    for (const data of [1, 2]) await publisher.publish("in", data, { cloudEvent: { id: "same" } });
    await publisher.publish("in", 3);
    await settled(() => expect(got.map(({ data }) => data)).toEqual([1, 3]));
  });

  test("may be encrypted, and then its events are until they are published", async () => {
    const secrets = component("env", "secretstores.local.env", setting("prefix", "KEY_"));
    const key = "{ name: primaryEncryptionKey, secretKeyRef: { name: GOOD, key: GOOD } }";
    const encrypted = `${store(`${outbox}, ${key}`)}auth: { secretStore: env }\n`;
    const folder = folderOf({ "a.yaml": `${bus}---\n${secrets}---\n${encrypted}` });
    const env = { KEY_GOOD: "00112233445566778899aabbccddeeff" };
    const { components } = await load(folder, { env });
    const runtime = await open(defineApp({ id: "orders" }), { components });
    started.push(runtime);
    const items = runtime.blocks.state("store").native() as Map<string, { value: unknown }>;
    const committed = runtime.blocks
      .state("store")
      .transaction([{ operation: "upsert", key: "a", value: "secret words" }]);
    const seen: string[] = [];
    const set = items.set.bind(items);
    items.set = (key, item) => {
      const { value } = item as { value: { bytes?: Uint8Array; json?: string } };
      seen.push(key, value.json ?? new TextDecoder().decode(value.bytes));
      return set(key, item);
    };
    await committed;
    expect(seen.some((text) => text.startsWith("orders||outbox||"))).toBe(true);
    expect(seen.join(" ")).not.toContain("secret words");
  });

  test("takes the settings of Dapr's internal topic, of which there is none", async () => {
    const more = `${setting("outboxPubsub", "bus")}, ${setting("OutboxDiscardWhenMissingState", "true")}`;
    const { got, state } = await serving(`${bus}---\n${store(`${outbox}, ${more}`)}`);
    await state.transaction([{ operation: "upsert", key: "a", value: 1 }]);
    await settled(() => expect(got).toHaveLength(1));
  });
});

describe("refused", () => {
  test.each([
    [
      "a topic alone",
      setting("outboxPublishTopic", "out"),
      "a.yaml:8: spec.metadata[0]: an outbox needs outboxPublishPubsub",
    ],
    [
      "a broker alone",
      setting("outboxPublishPubsub", "bus"),
      "a.yaml:8: spec.metadata[0]: an outbox needs outboxPublishTopic",
    ],
    [
      "an empty topic",
      `${setting("outboxPublishPubsub", "bus")}, ${setting("outboxPublishTopic", "")}`,
      "a.yaml:8: spec.metadata[1]: an outbox needs outboxPublishTopic",
    ],
    [
      "the internal topic's broker alone",
      setting("outboxPubsub", "bus"),
      "an outbox needs outboxPublishPubsub",
    ],
  ])("%s", async (_name, settings, why) => {
    await expect(load(folderOf({ "a.yaml": store(settings) }))).rejects.toThrow(why);
  });

  test("at the start: a broker that is not there, and a store without transactions", async () => {
    const alone = await load(folderOf({ "a.yaml": store(outbox) }));
    const app = defineApp({ id: "orders" });
    await expect(open(app, { components: alone.components })).rejects.toThrow(
      "pubsub bus is not found",
    );
    const { components } = await load(folderOf({ "a.yaml": `${bus}---\n${store(outbox)}` }));
    const declared = components.store as NonNullable<typeof components.store>;
    const features = ["ETAG"];
    const less = { ...components, store: { ...declared, features } };
    await expect(open(app, { components: less })).rejects.toThrow("store lacks TRANSACTIONAL");
  });

  test("in an API that no process starts: a transaction, of which nothing is then written", async () => {
    const { components } = await load(folderOf({ "a.yaml": `${bus}---\n${store(outbox)}` }));
    const api = createApi({ id: "orders", components, env: {} });
    const body = JSON.stringify({ operations: [upsert("a", 1)] });
    const refused = await api.handle(requestOf("POST", "/v1.0/state/store/transaction", { body }));
    expect(refused.status).toBe(500);
    expect(String(refused.body)).toContain("only a process");
    const read = await api.handle(requestOf("GET", "/v1.0/state/store/a", {}));
    expect(read.status).toBe(204);
    await api.close();
  });
});
