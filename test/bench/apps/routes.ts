import type { Hono } from "hono";

/** The same routes with and without pillion: none touches a block. */
// biome-ignore lint/suspicious/noExplicitAny: the app's own environment does not matter here.
export function routes(http: Hono<any>): Hono<any> {
  http.get("/", (c) => c.json({ hello: "world" }));
  http.post("/echo", async (c) => c.json(await c.req.json()));
  return http;
}
