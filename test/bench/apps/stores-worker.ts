import { Hono } from "hono";
import { defineApp, type PillionEnv, pillion } from "pillion";
import * as d1 from "pillion/cloudflare/d1";
import * as kv from "pillion/cloudflare/kv";
import { serve } from "pillion/workers";

const http = new Hono<PillionEnv>();
http.use(pillion());
http.get("/:store/get/:times", async (c) => {
  const state = c.var.blocks.state(c.req.param("store"));
  for (let time = Number(c.req.param("times")); time > 0; time--) await state.get("k");
  return c.text("done");
});
http.get("/:store/set/:times", async (c) => {
  const state = c.var.blocks.state(c.req.param("store"));
  for (let time = Number(c.req.param("times")); time > 0; time--)
    await state.set("k", { id: "o-1", item: "saddle" });
  return c.text("done");
});

export default serve(defineApp({ id: "bench", fetch: http.fetch }), {
  components: {
    d1: d1.state({ binding: "DB" }),
    kv: kv.state({ kvNamespaceID: "MY_KV" }),
  },
});
