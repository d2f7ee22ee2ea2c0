/** Source files of a user, by name. What must not compile is marked so, and the compiler fails where it does. */
const app = {
  "app.ts": `import { Hono } from "hono";
import {
  ApiError, type Blocks, type BulkItem, defineApp, type Item, type PillionEnv, type PillionEvent, pillion, type State,
} from "pillion";
import * as dynamodb from "pillion/aws/dynamodb";
import * as durableObjects from "pillion/cloudflare/durable-objects";
import * as memory from "pillion/memory";
import * as v from "valibot";

interface Order { id: string; quantity: number }

const OrderSchema = v.object({
  id: v.string(),
  quantity: v.optional(v.number(), 1),
  placed: v.pipe(v.string(), v.transform((text) => new Date(text))),
});

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/orders", async (c) => {
  const { state, call } = c.var.blocks;
  const order = await c.req.json<Order>();
  const etag: string | undefined = await state("statestore").set(order.id, order, { concurrency: "first-write" });
  call.waitUntil(Promise.resolve());
  return c.json({ id: order.id, etag }, 202);
});
http.get("/orders/:id", async (c) => {
  try {
    const item: Item<Order> | undefined = await c.var.blocks.state("statestore").getItem<Order>(c.req.param("id"));
    return item ? c.json(item.value) : c.notFound();
  } catch (error) {
    if (ApiError.is(error, "etag-mismatch") || ApiError.is(error, "ERR_STATE_GET")) return error.getResponse();
    throw error;
  }
});
http.get("/misuse", async (c) => {
  // @ts-expect-error: a block that is not built is not there
  c.var.blocks.lock;
  // @ts-expect-error: a store has a name
  c.var.blocks.state();
  // @ts-expect-error: no such concurrency
  await c.var.blocks.state("statestore").set("a", 1, { concurrency: "first" });
  // @ts-expect-error: no such kind or code
  ApiError.is(undefined, "etag-missmatch");
  return c.body(null, 204);
});

export default defineApp({ id: "orders", fetch: http.fetch });
// @ts-expect-error: an app has an id
defineApp({ fetch: http.fetch });

export async function typed({ state }: Blocks): Promise<void> {
  const orders = state("statestore", OrderSchema);
  await orders.set("1", { id: "1", placed: "2026-01-01" });
  const order = await orders.get("1");
  const placed: Date | undefined = order?.placed;
  const quantity: number | undefined = order?.quantity;
  // @ts-expect-error: a Date is not text
  const text: string | undefined = order?.placed;
  // @ts-expect-error: the schema wants text
  await orders.set("1", { id: "1", placed: new Date() });
  // @ts-expect-error: the schema wants placed
  await orders.transaction([{ operation: "upsert", key: "1", value: { id: "1" } }]);
  await orders.update("1", (value) => value && { ...value, placed: value.placed.toISOString() });
  // @ts-expect-error: what is written is what the schema takes
  await orders.update("1", () => ({ id: 1 }));
  const found: BulkItem<v.InferOutput<typeof OrderSchema>>[] = await orders.getBulk(["1"]);
  const untyped: State = state("statestore");
  void [placed, quantity, text, found, untyped];
}

export const components = {
  local: memory.state({ keyPrefix: "none" }),
  table: dynamodb.state({ table: "orders", scan: true }),
  object: durableObjects.state({}),
};
// @ts-expect-error: table is required
dynamodb.state({});
// @ts-expect-error: table is text
dynamodb.state({ table: 1 });
// @ts-expect-error: there is no such setting
dynamodb.state({ table: "orders", tabel: "orders" });
// @ts-expect-error: no transport
dynamodb.state({ table: "orders", transport: {} });

const other = new Hono<PillionEnv & { Bindings: { REGION: string } }>();
other.use(pillion({ id: "other", components, onEvent: (event: PillionEvent) => void event.type }));
// @ts-expect-error: components are needed
pillion({ id: "other" });
`,
  "author.ts": `import { type StateCaseName, stateCases } from "pillion/conformance";
import type { Component, Fields } from "pillion/contracts/component";
import type { Host } from "pillion/contracts/host";
import { type StateStore, stateStore } from "pillion/contracts/state";
import { virtualClock } from "pillion/testing";
import * as memory from "pillion/memory";

export const state = /* @__PURE__ */ stateStore({
  type: "state.mine",
  runsOn: ["node", "workers"],
  clock: "host",
  fields: {
    url: { type: "string", required: true, description: "Where it is." },
    patience: { type: "duration", default: 2, description: "How long to wait." },
    token: { type: "string", sensitive: true, description: "Who asks." },
  },
  features: ({ token }) => (token === undefined ? [] : ["ETAG"]),
  open(settings, host: Host): StateStore {
    const [url, patience, token]: [string, number, string | undefined] = [settings.url, settings.patience, settings.token];
    // @ts-expect-error: there is no such setting
    settings.uri;
    void [url, patience, token];
    return memory.state({}).open(host, "inner");
  },
});

export const mine: Component<"state"> = state({ url: "https://example.com", patience: "1m30s", keyPrefix: "name" });
export const fields: Fields = mine.fields;
export const names = Object.keys(stateCases) as StateCaseName[];
virtualClock().advance(1000);
// @ts-expect-error: url is required
state({ token: "secret" });
// @ts-expect-error: another block's type
stateStore({ type: "pubsub.mine", runsOn: [], clock: "host", fields: {}, features: () => [], open: () => mine });
`,
  // Shows that an error is found at all.
  "broken.ts": `import * as dynamodb from "pillion/aws/dynamodb";
export default dynamodb.state({});
`,
};

export interface Project {
  readonly files: Readonly<Record<string, string>>;
  readonly types: readonly string[];
  readonly lib: readonly string[];
}

/** Each with the libraries and types that its platform's own templates choose. */
export const projects: Readonly<Record<string, Project>> = {
  workers: {
    types: ["@cloudflare/workers-types"],
    lib: ["es2024"],
    files: {
      ...app,
      "worker.ts": `import { open, PillionObject, serve, withPillion } from "pillion/workers";
import app, { components } from "./app.ts";

export default serve(app, { components }) satisfies ExportedHandler;
export { PillionObject };

export interface Env {
  STORE: DurableObjectNamespace<PillionObject>;
  ORDERS: Queue<string>;
}

export const withEnvironment: ExportedHandler<Env> = serve(app);
export const objectOf = (env: Env) => env.STORE.getByName("state/statestore");

export const wrapped = withPillion(
  {
    async fetch(request: Request, env: Env, _context: ExecutionContext, { state }) {
      await env.ORDERS.send(request.url);
      return Response.json(await state("statestore").get("a"));
    },
    async queue(batch: MessageBatch<string>, _env: Env, _context: ExecutionContext, { state }) {
      for (const { body } of batch.messages) await state("statestore").set(body, true);
    },
    async scheduled(controller: ScheduledController, _env: Env, _context: ExecutionContext, { state }) {
      await state("statestore").set("last", controller.cron);
    },
  },
  { id: "orders", components },
) satisfies ExportedHandler<Env, string>;

export async function outside(): Promise<void> {
  const runtime = await open(app);
  await runtime.close();
}

// @ts-expect-error: an unknown option
serve(app, { port: 3000 });
// @ts-expect-error: components are needed
withPillion({ fetch: () => new Response() }, { id: "orders" });
`,
    },
  },
  node: {
    types: ["node"],
    lib: ["es2024"],
    files: {
      ...app,
      "node.ts": `import { type NodeServer, open, serve } from "pillion/node";
import { registry } from "pillion/node/registry";
import * as sqlite from "pillion/node/sqlite";
import app, { components } from "./app.ts";

const statestore = sqlite.state({ connectionString: "orders.db", busyTimeout: "1s" });
const server: NodeServer = await serve(app, { port: 3000, components: { ...components, statestore } });
await server.close();

export async function outside(): Promise<void> {
  await using runtime = await open(app, { components });
  await runtime.blocks.state("local").set("a", Buffer.from("a"));
}

export const byName = (await registry["state.sqlite"]?.())?.({ connectionString: ":memory:" });
// @ts-expect-error: connectionString is required
sqlite.state({});
// @ts-expect-error: a port is a number
serve(app, { port: "3000" });
`,
    },
  },
  lambda: {
    types: [],
    lib: ["es2024", "dom", "dom.iterable"],
    files: {
      ...app,
      "lambda.ts": `import { type HttpHandler, type LambdaContext, serve, type StreamingHttpHandler, withPillion } from "pillion/lambda";
import app, { components } from "./app.ts";

export const handler: HttpHandler = serve(app, { components });
export const streaming: StreamingHttpHandler = serve(app, { stream: true });

export const wrapped = withPillion(
  async (event: { orderId: string }, context: LambdaContext, { state }) => {
    await state("statestore").set(event.orderId, context.awsRequestId);
    return { done: true };
  },
  { id: "orders", components },
);
export const answered: Promise<{ done: boolean }> = wrapped({ orderId: "1" }, {} as LambdaContext);
// @ts-expect-error: the event has an orderId
wrapped({}, {} as LambdaContext);
// @ts-expect-error: components are needed
withPillion(async () => {}, { id: "orders" });
// @ts-expect-error: an unknown option
serve(app, { streaming: true });
`,
    },
  },
};
