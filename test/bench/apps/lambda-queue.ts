import { Hono } from "hono";
import { defineApp, type PillionEnv, pillion, subscribe } from "pillion";
import * as snsSqs from "pillion/aws/sns-sqs";
import { serve } from "pillion/lambda";
import { routes } from "./routes.ts";

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/publish", async (c) => {
  await c.var.blocks.pubsub("pubsub").publish("orders", { id: "o-1" });
  return c.text("done");
});
const subscriptions = [subscribe("pubsub", "orders", ({ data }) => console.log(data))];
const app = defineApp({ id: "bench", fetch: routes(http).fetch, subscriptions });

export const handler = serve(app, { components: { pubsub: snsSqs.pubsub({}) } });
