/** A Node process whose subscriptions stand in the YAML of its folder, on the queue that it has by default. */
import { Hono } from "hono";
import { defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import { serve } from "../../targets/node/index.ts";
import { resources } from "../../targets/node/resources.ts";

/** A request that came to a path of the app's. */
export interface Got {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const got: Got[] = [];
const answers = new Map<string, { status: number; body: string }>();

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/publish/:topic", async (c) => {
  const { metadata, data } = await c.req.json();
  const topic = c.req.param("topic");
  await c.var.blocks.pubsub("pubsub").publish(topic, data, { metadata });
  return c.body(null, 204);
});
http.put("/answers/:path", async (c) => {
  answers.set(`/${c.req.param("path")}`, await c.req.json());
  return c.body(null, 204);
});
http.get("/got", (c) => c.json(got));
http.post("/*", async (c) => {
  const { path } = c.req;
  got.push({ path, headers: c.req.header(), body: await c.req.text() });
  if (path === "/throws") throw new Error("on purpose");
  if (path === "/blocks") await c.var.blocks.state("statestore").set("seen", path);
  const { status = 200, body = "" } = answers.get(path) ?? {};
  return new Response(body || null, { status });
});
http.get("/state/:key", async (c) =>
  c.json((await c.var.blocks.state("statestore").get(c.req.param("key"))) ?? null),
);

const app = defineApp({ id: process.env.APP_ID ?? "app", fetch: http.fetch });
const server = await serve(app, {
  components: await resources("resources", { id: app.id }),
});
console.log(server.url);
