import { Hono } from "hono";
import { defineApp, type PillionEnv, pillion, subscribe } from "pillion";
import * as queues from "pillion/cloudflare/queues";
import { serve } from "pillion/workers";
import { consumed, EVENT, type RawQueue } from "./queues-counter.ts";

const order = { id: "o-1", item: "saddle", quantity: 1 };
const http = new Hono<PillionEnv & { Bindings: { OURS: RawQueue } }>();
http.use(pillion());
http.get("/publish/:times", async (c) => {
  const pubsub = c.var.blocks.pubsub("pubsub");
  for (let time = Number(c.req.param("times")); time > 0; time--)
    await pubsub.publish("unread", order);
  return c.text("done");
});
let handled = 0;
http.get("/consume/:times", async (c) => {
  await consumed(c.env.OURS, EVENT, Number(c.req.param("times")), () => handled);
  return c.text("done");
});

export default serve(
  defineApp({
    id: "bench",
    fetch: http.fetch,
    subscriptions: [subscribe("pubsub", "ours", () => void handled++)],
  }),
  { components: { pubsub: queues.pubsub({}) } },
);
