import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { type App, defineApp, type PillionEvent, subscribe } from "../../src/index.ts";
import { serve } from "../../targets/node/index.ts";
import { resources } from "../../targets/node/resources.ts";
import { root } from "../harness/folder.ts";
import { type RunningNode, startProgram } from "../harness/node.ts";
import { folderOf, subscription, type Wanted } from "../resources/_folder.ts";
import type { Got } from "./_declared.ts";

const program = `${root}/test/node/_declared.ts`;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const wanted: Readonly<Record<string, Wanted>> = {
  plain: { spec: "route: /plain" },
  slashless: { spec: "route: slashless" },
  elsewhere: { spec: "route: //elsewhere.example/x" },
  blocks: { spec: "route: /blocks" },
  throws: { spec: "route: /throws", dead: "buried" },
  judged: { spec: "route: /judged", dead: "buried" },
  again: { spec: "route: /again" },
  buried: { spec: "route: /buried" },
  own: { spec: "route: /own", scopes: "[app]" },
  shared: { spec: "route: /shared", scopes: "[other, app]" },
  others: { spec: "route: /others", scopes: "[other]" },
  raw: { spec: 'route: /raw\n  metadata: { rawPayload: "true" }' },
  "raw-bulk": {
    spec: 'route: /raw-bulk\n  metadata: { rawPayload: "true" }\n  bulkSubscribe: { enabled: true, maxMessagesCount: 1 }',
  },
  bulk: {
    spec: "route: /bulk\n  bulkSubscribe: { enabled: true, maxMessagesCount: 3, maxAwaitDurationMs: 100 }",
    dead: "buried",
  },
  routed: {
    version: "v2alpha1",
    dead: "buried",
    spec: `routes:
    rules:
      - match: event.type == "order.v2"
        path: /v2
      - match: event.data.n > 3
        path: /large
    default: /else`,
  },
  unrouted: {
    version: "v2alpha1",
    dead: "buried",
    spec: `routes: { rules: [{ match: event.data.n > 3, path: /large }] }`,
  },
};

const files = {
  "resources/all.yaml": Object.entries(wanted)
    .map(([name, one]) => subscription(name, one))
    .join("---\n"),
};

describe("a process with Subscriptions in YAML", () => {
  let running: RunningNode;
  beforeAll(async () => {
    running = await startProgram([program], folderOf(files), { APP_API_TOKEN: "app-token-1" });
  });
  afterAll(() => running?.stop());

  const publish = async (topic: string, data: unknown, metadata = {}, headers = {}) => {
    const body = JSON.stringify({ data, metadata });
    const response = await fetch(`${running.url}/publish/${topic}`, {
      method: "POST",
      body,
      headers,
    });
    expect(response.status).toBe(204);
  };
  const answer = (path: string, status: number, body = "") =>
    fetch(`${running.url}/answers/${path}`, {
      method: "PUT",
      body: JSON.stringify({ status, body }),
    });
  const at = async (path: string): Promise<Got[]> => {
    const all = (await (await fetch(`${running.url}/got`)).json()) as Got[];
    return all.filter((got) => got.path === path);
  };
  const dataAt = async (path: string) => (await at(path)).map(({ body }) => JSON.parse(body).data);

  test("gets a POST with Dapr's headers and body, and the app's token", async () => {
    const metadata = { "cloudevent.id": "e-1", "dapr-api-token": "forged", "Own-Key": "x" };
    await publish("plain", { n: 1, text: "grün" }, metadata, { traceparent });
    await expect.poll(() => at("/plain")).toHaveLength(1);
    const [got] = await at("/plain");
    expect(got?.headers).toMatchObject({
      "content-type": "application/cloudevents+json",
      "content-length": String(Buffer.byteLength(got?.body ?? "")),
      "dapr-api-token": "app-token-1",
      "own-key": "x",
      pubsubname: "pubsub",
      traceparent,
    });
    expect(JSON.parse(got?.body ?? "")).toMatchObject({
      id: "e-1",
      source: "app",
      specversion: "1.0",
      type: "com.dapr.event.sent",
      topic: "plain",
      pubsubname: "pubsub",
      data: { n: 1, text: "grün" },
      traceparent,
    });
  });

  test("is called at a path that is written without its slash", async () => {
    await publish("slashless", 1);
    await expect.poll(() => dataAt("/slashless")).toEqual([1]);
  });

  test("and nobody else at one that looks like an address", async () => {
    await publish("elsewhere", 1);
    await expect.poll(() => dataAt("//elsewhere.example/x")).toEqual([1]);
  });

  test("has its building blocks there", async () => {
    await publish("blocks", 1);
    const seen = async () => (await fetch(`${running.url}/state/seen`)).json();
    await expect.poll(seen).toBe("/blocks");
  });

  test("gets what its scopes list, and nothing that they do not", async () => {
    await publish("others", "not for this app");
    await publish("own", 1);
    await publish("shared", 2);
    await expect.poll(() => dataAt("/own")).toEqual([1]);
    await expect.poll(() => dataAt("/shared")).toEqual([2]);
    expect(await at("/others")).toEqual([]);
  });

  test("is called by the first rule that matches, else by default, else it is dead-lettered", async () => {
    await publish("routed", { n: 1, to: "v2" }, { "cloudevent.type": "order.v2" });
    await publish("routed", { n: 4, to: "large" });
    await publish("routed", { n: 2, to: "else" });
    await publish("unrouted", { n: 3, to: "buried" });
    await publish("unrouted", { to: "a failing rule" });
    await expect.poll(() => dataAt("/v2")).toEqual([{ n: 1, to: "v2" }]);
    await expect.poll(() => dataAt("/large")).toEqual([{ n: 4, to: "large" }]);
    await expect.poll(() => dataAt("/else")).toEqual([{ n: 2, to: "else" }]);
    const buried = async () => (await dataAt("/buried")).filter((data) => data.to);
    await expect
      .poll(buried)
      .toEqual(expect.arrayContaining([{ n: 3, to: "buried" }, { to: "a failing rule" }]));
  });

  test.each([
    ["DROP", 200, '{"status":"DROP"}'],
    ["RETRY", 200, '{"status":"RETRY"}'],
    ["an unknown status", 200, '{"status":"success"}'],
    ["404", 404, ""],
    ["500", 500, '{"status":"SUCCESS"}'],
    ["more than 4 MiB", 200, `{"pad":"${"x".repeat(5 << 20)}","status":"SUCCESS"}`],
  ])("buries what the app answers %s to", async (name, status, body) => {
    await answer("judged", status, body);
    await publish("judged", { name });
    const buried = async () => (await dataAt("/buried")).filter((data) => data.name === name);
    await expect.poll(buried).toEqual([{ name }]);
    const seen = (await dataAt("/judged")).filter((data) => data.name === name);
    expect(seen).toHaveLength(1);
  });

  test("buries what its app throws at", async () => {
    await publish("throws", { name: "thrown" });
    const buried = async () => (await dataAt("/buried")).filter(({ name }) => name === "thrown");
    await expect.poll(buried).toHaveLength(1);
  });

  test("gets a message again where there is no dead letter", async () => {
    await answer("again", 503);
    await publish("again", 1);
    await expect.poll(() => dataAt("/again")).toEqual([1]);
    await answer("again", 204);
    await expect.poll(() => dataAt("/again"), { timeout: 10_000 }).toEqual([1, 1]);
  });

  test("gets raw payloads in an event of their own", async () => {
    await publish("raw", "no event", { rawPayload: "true" });
    await expect.poll(() => at("/raw")).toHaveLength(1);
    expect(JSON.parse((await at("/raw"))[0]?.body ?? "")).toMatchObject({
      data_base64: Buffer.from("no event").toString("base64"),
      datacontenttype: "application/octet-stream",
      topic: "raw",
    });
  });

  test("gets messages in bulk, each with its own outcome", async () => {
    // What the answer says nothing of comes again, which here is buried.
    await answer("bulk", 200, '{"statuses":[]}');
    await Promise.all([1, 2, 3].map((n) => publish("bulk", { bulk: n })));
    const buried = async () => (await dataAt("/buried")).flatMap(({ bulk }) => bulk ?? []);
    await expect.poll(async () => (await buried()).sort()).toEqual([1, 2, 3]);
    const bodies = (await at("/bulk")).map(({ body }) => JSON.parse(body));
    const entries = bodies.flatMap((body) => body.entries);
    expect(entries.map(({ event }) => event.data.bulk).sort()).toEqual([1, 2, 3]);
    expect(bodies[0]).toMatchObject({ type: "com.dapr.event.sent.bulk", topic: "bulk" });
    expect((await at("/bulk"))[0]?.headers["content-type"]).toBe("application/json");
  });

  test("and raw ones in bulk as they are", async () => {
    await publish("raw-bulk", "no event", { rawPayload: "true" });
    await expect.poll(() => at("/raw-bulk")).not.toHaveLength(0);
    const [entry] = JSON.parse((await at("/raw-bulk"))[0]?.body ?? "").entries;
    expect(entry).toMatchObject({
      event: Buffer.from("no event").toString("base64"),
      contentType: "application/octet-stream",
    });
  });
});

test("another app takes what is scoped to it from the same folder", async () => {
  const running = await startProgram([program], folderOf(files), { APP_ID: "other" });
  try {
    const publish = (topic: string) =>
      fetch(`${running.url}/publish/${topic}`, { method: "POST", body: '{"data":1}' });
    for (const topic of ["own", "others", "shared"]) await publish(topic);
    const paths = async () => {
      const all = (await (await fetch(`${running.url}/got`)).json()) as Got[];
      return all.map(({ path }) => path).sort();
    };
    await expect.poll(paths).toEqual(["/others", "/shared"]);
  } finally {
    await running.stop();
  }
});

describe("serve, with Subscriptions from YAML,", () => {
  const fetchNothing = () => new Response();
  const http = defineApp({ id: "app", fetch: fetchNothing });
  const bus = { bus: memory.pubsub({}), store: memory.state({}) };

  async function started(app: App, yaml: string, onEvent?: (event: PillionEvent) => void) {
    const folder = folderOf({ "a.yaml": yaml });
    try {
      // Spread, as whoever adds a component of their own does.
      const components = { ...(await resources(folder, { id: app.id })), ...bus };
      return await serve(app, { port: 0, signals: false, components, onEvent });
    } catch (error) {
      throw new Error((error as Error).message.replaceAll(`${folder}/`, ""));
    }
  }
  const on = (name: string, more: Partial<Wanted> = {}) =>
    subscription(name, { pubsub: "bus", spec: "route: /orders", ...more });

  test.each<[string, App, string, string]>([
    [
      "an app without fetch",
      defineApp({ id: "app" }),
      on("orders"),
      "app app has no fetch, to which Subscription orders (a.yaml:5) brings events: defineApp({ id, fetch: http.fetch })",
    ],
    [
      "an app without fetch that has handlers",
      defineApp({ id: "app", subscriptions: [subscribe("bus", "x", () => undefined)] }),
      on("orders"),
      "app app has no fetch, to which Subscription orders (a.yaml:5) brings events: defineApp({ id, fetch: http.fetch })",
    ],
    [
      "a pubsub that there is not",
      http,
      on("orders", { pubsub: "elsewhere" }),
      "Subscription orders (a.yaml:5): cannot subscribe to topic orders of elsewhere: pubsub elsewhere is not found",
    ],
    [
      "a state store in its place",
      http,
      on("orders", { pubsub: "store" }),
      "Subscription orders (a.yaml:5): cannot subscribe to topic orders of store: pubsub store is not found",
    ],
    [
      "a dead-letter topic that is the topic",
      http,
      on("orders", { dead: "orders" }),
      'Subscription orders (a.yaml:5): subscribe("bus", "orders", …): deadLetterTopic must be another topic',
    ],
    [
      "a flag that is none",
      http,
      on("orders", { spec: "route: /o\n  metadata: { rawPayload: perhaps }" }),
      "Subscription orders (a.yaml:5): rawPayload of topic orders must be true or false",
    ],
    [
      "a rule that is none",
      http,
      on("orders", {
        version: "v2alpha1",
        spec: "routes: { rules: [{ match: event.type = 1, path: /o }] }",
      }),
      "a.yaml:7: spec.routes.rules[0].match: the rule event.type = 1, column 12",
    ],
    [
      "no route",
      http,
      on("orders", { spec: "" }),
      "a.yaml:5: spec.route: this is missing (Subscription orders)",
    ],
  ])("refuses %s", async (_name, app, yaml, message) => {
    await expect(started(app, yaml)).rejects.toThrow(message);
  });

  test("prefers a handler in code for the same topic, as Dapr does", async () => {
    const seen: string[] = [];
    const app = defineApp({
      id: "app",
      fetch(request) {
        seen.push(new URL(request.url).pathname);
        return new Response();
      },
      subscriptions: [subscribe("bus", "orders", () => void seen.push("handler"))],
    });
    await using server = await started(app, `${on("orders")}---\n${on("others")}`);
    await server.runtime.blocks.pubsub("bus").publish("orders", 1);
    await server.runtime.blocks.pubsub("bus").publish("others", 1);
    await expect.poll(() => seen.toSorted()).toEqual(["/orders", "handler"]);
  });

  test("waits for an event in hand when it closes, and reports each", async () => {
    let begun = false;
    let ended = false;
    const events: PillionEvent[] = [];
    const app = defineApp({
      id: "app",
      async fetch() {
        begun = true;
        await new Promise((resolve) => setTimeout(resolve, 100));
        ended = true;
        return new Response();
      },
    });
    const server = await started(app, on("orders"), (event) => events.push(event));
    await server.runtime.blocks.pubsub("bus").publish("orders", 1);
    await expect.poll(() => begun).toBe(true);
    await server.close();
    expect(ended).toBe(true);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "pubsub.delivery", topic: "orders", outcome: "handled" }),
    );
  });
});

describe("an app in the process", () => {
  async function serving(app: App) {
    const folder = folderOf({ "a.yaml": subscription("a", { pubsub: "bus", spec: "route: /a" }) });
    const components = { ...(await resources(folder, { id: "app" })), bus: memory.pubsub({}) };
    return serve(app, { port: 0, signals: false, components });
  }

  test("that answers 404 has its message dropped, of which the process warns", async () => {
    const warnings: string[] = [];
    const listener = ({ message }: Error) => warnings.push(message);
    process.on("warning", listener);
    const app = defineApp({ id: "app", fetch: () => new Response(null, { status: 404 }) });
    await using server = await serving(app);
    await server.runtime.blocks.pubsub("bus").publish("a", 1);
    await expect
      .poll(() => warnings)
      .toEqual(["the app answered 404 to a message of topic a, which is dropped"]);
    process.off("warning", listener);
  });

  test("that answers without an end has handled its message once enough is read", async () => {
    let cancelled = 0;
    const body = () =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)),
        cancel: () => void cancelled++,
      });
    let got = 0;
    const app = defineApp({
      id: "app",
      fetch() {
        got++;
        return new Response(body());
      },
    });
    await using server = await serving(app);
    await server.runtime.blocks.pubsub("bus").publish("a", 1);
    await expect.poll(() => cancelled).toBe(1);
    await server.runtime.blocks.pubsub("bus").publish("a", 2);
    await expect.poll(() => got).toBe(2);
  });
});

test("what brings events to paths is loaded only where there are some", async () => {
  const { outputs } = (
    await build({
      absWorkingDir: root,
      entryPoints: ["targets/node/index.ts"],
      outdir: "unwritten",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      packages: "external",
      write: false,
      metafile: true,
    })
  ).metafile;
  const entry = "unwritten/index.js";
  const first = new Set([entry]);
  for (const name of first) {
    for (const { path, kind } of outputs[name]?.imports ?? []) {
      if (kind === "import-statement" && outputs[path]) first.add(path);
    }
  }
  const holders = Object.keys(outputs).filter(
    (name) => outputs[name]?.inputs["targets/_app/deliver.ts"],
  );
  expect(holders).toHaveLength(1);
  expect([...first].filter((name) => holders.includes(name))).toEqual([]);
  const loaded = [...first].flatMap((name) => Object.keys(outputs[name]?.inputs ?? {}));
  expect(loaded).toContain("targets/node/serve.ts");
});

test("components without a Subscription carry nothing beside themselves", async () => {
  const none = await resources(folderOf({}), { id: "app" });
  expect(Object.getOwnPropertySymbols(none)).toEqual([]);
  const some = await resources(folderOf({ "a.yaml": subscription("a", { spec: "route: /a" }) }), {
    id: "app",
  });
  expect(Object.getOwnPropertySymbols(some)).toHaveLength(1);
  expect(Object.keys(some)).toEqual([]);
});
