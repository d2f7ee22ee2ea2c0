import { Hono } from "hono";
import { defineApp, type PillionEnv, pillion } from "pillion";
import { routes } from "./routes.ts";

const http = new Hono<PillionEnv>();
http.use(pillion());
http.get("/get/:times", async (c) => {
  const state = c.var.blocks.state("statestore");
  for (let time = Number(c.req.param("times")); time > 0; time--) await state.get("k");
  return c.text("done");
});
http.get("/set/:times", async (c) => {
  const state = c.var.blocks.state("statestore");
  for (let time = Number(c.req.param("times")); time > 0; time--)
    await state.set("k", { id: "o-1", item: "saddle" });
  return c.text("done");
});

export default defineApp({ id: "bench", fetch: routes(http).fetch });
