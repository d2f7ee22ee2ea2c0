/** A Node process that serves what the tests ask of it. */
import { Hono } from "hono";
import { defineApp, type PillionEnv, type PillionEvent, pillion } from "../../src/index.ts";
import { serve } from "../../targets/node/index.ts";

const http = new Hono<PillionEnv>();
http.use(pillion());
http.get("/slow", async (c) => {
  const state = c.var.blocks.state("statestore");
  console.log("slow: began");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await state.set("slow", "done");
  c.var.blocks.call.waitUntil(
    (async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await state.set("later", "done");
      console.log("later: done");
    })(),
  );
  return c.text("done");
});
http.get("/hangs", async () => {
  console.log("hangs: began");
  return new Promise<Response>(() => {});
});
http.get("/endless", (c) => {
  c.var.blocks.call.waitUntil(new Promise(() => setInterval(() => {}, 1000)));
  return c.text("endless");
});
const options = {
  drainMs: Number(process.env.DRAIN_MS ?? 5000),
  onEvent: ({ type }: PillionEvent) => console.log(type),
};
// A second server, whose slow requests the end of the first must not cut off.
const other = await serve(
  defineApp({ id: "other", fetch: async () => new Response("other") }),
  options,
);
const server = await serve(defineApp({ id: "server", fetch: http.fetch }), options);
console.log(server.url, other.port > 0);
