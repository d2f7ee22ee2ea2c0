import { Hono } from "hono";
import * as queues from "../../bindings/cloudflare/queues.ts";
import { outbox } from "../../src/blocks/outbox/outbox.ts";
import { bulk } from "../../src/blocks/pubsub/bulk.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { defineApp, type PillionEnv, pillion, subscribe } from "../../src/index.ts";
import { serve } from "../../targets/workers/index.ts";

export { PillionObject } from "../../targets/workers/index.ts";

/** Sizes of the lists that came. */
const lists: number[] = [];
let deliveries = 0;
const orders = outbox();

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/place/:id", async (c) => {
  const id = c.req.param("id");
  await orders.transaction(c.var.blocks, [
    { operation: "upsert", key: id, value: "placed" },
    { operation: "publish", pubsub: "pubsub", topic: "placed", data: id, cloudEvent: { id } },
  ]);
  return c.text("placed");
});
http.post("/list", async (c) => {
  const entries = [1, 2, 3, 4, 5].map((data) => ({ data }));
  await c.var.blocks.pubsub("pubsub").publishBulk("lists", entries);
  return c.text("sent");
});
http.get("/", async (c) => {
  const state = c.var.blocks.state("statestore");
  const { keys } = await state.list();
  return c.json({
    keys,
    count: await state.get("count"),
    shipped: await state.get("shipped"),
    lists,
    deliveries,
  });
});

const placed = subscribe(
  "pubsub",
  "placed",
  async (_event, blocks) => {
    deliveries++;
    const item = await blocks.state("statestore").getItem<number>("count");
    const value = (item?.value ?? 0) + 1;
    const condition = item ? { etag: item.etag } : ({ concurrency: "first-write" } as const);
    await orders.transaction(blocks, [
      { operation: "upsert", key: "count", value, ...condition },
      { operation: "publish", pubsub: "pubsub", topic: "shipping", data: value },
    ]);
    // After the commit: the message comes again, and is known by then.
    throw new Error("on purpose");
  },
  { idempotent: inbox(), retryDelayMs: 0 },
);
const shipping = subscribe("pubsub", "shipping", (event, { state }) =>
  state("statestore")
    .set("shipped", event.data)
    .then(() => undefined),
);
const listed = subscribe(
  "pubsub",
  "lists",
  bulk(async (messages) => {
    lists.push(messages.length);
    return messages.map(({ entryId }) => ({ entryId, status: "SUCCESS" as const }));
  }),
);

const app = defineApp({
  id: "boxes",
  fetch: http.fetch,
  subscriptions: [placed, shipping, listed],
});
export default serve(app, { components: { pubsub: queues.pubsub({ maxRetries: 10 }) } });
