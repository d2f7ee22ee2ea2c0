import { type Context, Hono } from "hono";
import { ApiError, defineApp, type Handler, type PillionEnv, pillion, subscribe } from "pillion";
import { cel } from "pillion/cel";

interface Order {
  id: string;
  item: string;
  quantity: number;
  status: "placed" | "paid" | "shipped";
}

interface Stock {
  count: number;
}

/** How long a cart that nobody touches is kept. */
const CART_SECONDS = 2;

const http = new Hono<PillionEnv>();
http.use(pillion());

http.post("/orders", async (c) => {
  const { id, item, quantity } = await c.req.json<Order>();
  const order: Order = { id, item, quantity, status: "placed" };
  try {
    await c.var.blocks
      .state("statestore")
      .set(`order-${id}`, order, { concurrency: "first-write" });
  } catch (error) {
    if (ApiError.is(error, "etag-mismatch")) return c.json({ error: `order ${id} exists` }, 409);
    throw error;
  }
  return c.json(order, 201);
});

http.get("/orders/:id", async (c) => {
  const found = await c.var.blocks.state("statestore").getItem<Order>(`order-${c.req.param("id")}`);
  if (!found) return notFound(c);
  c.header("etag", `"${found.etag}"`);
  return c.json(found.value);
});

/** Changes the quantity, if the order is still the one that the client saw. */
http.put("/orders/:id", async (c) => {
  const state = c.var.blocks.state("statestore");
  const key = `order-${c.req.param("id")}`;
  const found = await state.getItem<Order>(key);
  if (!found) return notFound(c);
  const order = { ...found.value, quantity: (await c.req.json<Order>()).quantity };
  const etag = c.req.header("if-match")?.replaceAll('"', "") ?? found.etag;
  try {
    await state.set(key, order, { etag });
  } catch (error) {
    if (ApiError.is(error, "etag-mismatch"))
      return c.json({ error: `order ${order.id} was changed by somebody else` }, 409);
    throw error;
  }
  return c.json(order);
});

/** Marks the order as shipped and takes its quantity out of the stock: both or neither. */
http.post("/orders/:id/ship", async (c) => {
  const state = c.var.blocks.state("statestore");
  const order = await state.getItem<Order>(`order-${c.req.param("id")}`);
  if (!order) return notFound(c);
  const { item, quantity, status, id } = order.value;
  if (status === "shipped") return c.json({ error: `order ${id} is shipped` }, 409);
  const stock = await state.getItem<Stock>(`stock-${item}`);
  const left = (stock?.value.count ?? 0) - quantity;
  if (!stock || left < 0) return c.json({ error: `not enough ${item} in stock` }, 409);
  const shipped: Order = { ...order.value, status: "shipped" };
  await state.transaction([
    { operation: "upsert", key: order.key, value: shipped, etag: order.etag },
    { operation: "upsert", key: stock.key, value: { count: left }, etag: stock.etag },
    { operation: "delete", key: `cart-${id}` },
  ]);
  return c.json(shipped);
});

/** Says that the order is paid for. Its subscribers take it from there. */
http.post("/orders/:id/pay", async (c) => {
  const { state, pubsub } = c.var.blocks;
  const key = `order-${c.req.param("id")}`;
  const order = await state("statestore").get<Order>(key);
  if (!order) return notFound(c);
  const { id, item, quantity } = order;
  await pubsub("pubsub").publish(
    "orders",
    { id, item, quantity },
    { cloudEvent: { type: "paid" } },
  );
  return c.body(null, 202);
});

/** What became of an order that could not be served. */
http.get("/refunds/:id", async (c) => {
  const refund = await c.var.blocks.state("statestore").get(`refund-${c.req.param("id")}`);
  return refund ? c.json(refund) : notFound(c);
});

http.put("/stock/:item", async (c) => {
  const { count } = await c.req.json<Stock>();
  await c.var.blocks.state("statestore").set(`stock-${c.req.param("item")}`, { count });
  return c.body(null, 204);
});

/** Takes some out or puts some in, however many do so at once. */
http.post("/stock/:item/add/:count", async (c) => {
  const more = Number(c.req.param("count"));
  const stock = await c.var.blocks
    .state("statestore")
    .update(`stock-${c.req.param("item")}`, (stock: Stock | undefined) => ({
      count: (stock?.count ?? 0) + more,
    }));
  return c.json(stock);
});

http.get("/stock/:item", async (c) => {
  const stock = await c.var.blocks.state("statestore").get<Stock>(`stock-${c.req.param("item")}`);
  return stock ? c.json(stock) : notFound(c);
});

http.put("/carts/:id", async (c) => {
  const state = c.var.blocks.state("statestore");
  await state.set(`cart-${c.req.param("id")}`, await c.req.json(), { ttlInSeconds: CART_SECONDS });
  return c.body(null, 204);
});

http.get("/carts/:id", async (c) => {
  const cart = await c.var.blocks.state("statestore").get(`cart-${c.req.param("id")}`);
  return cart ? c.json(cart) : notFound(c);
});

function notFound(c: Context) {
  return c.json({ error: "not found" }, 404);
}

type Line = Pick<Order, "id" | "item" | "quantity">;

/** Takes what was paid for out of the stock. Throws, so that it is tried again, where there is too little. */
const inventory: Handler<Line> = async ({ data }, { state, pubsub }) => {
  const store = state("statestore");
  await store.update(`stock-${data.item}`, (stock: Stock | undefined) => {
    const left = (stock?.count ?? 0) - data.quantity;
    if (left < 0) throw new Error(`not enough ${data.item} in stock`);
    return { count: left };
  });
  await pubsub("pubsub").publish("orders", data, { cloudEvent: { type: "reserved" } });
};

const shipping: Handler<Line> = async ({ data }, { state }) => {
  await state("statestore").update(`order-${data.id}`, (order: Order | undefined) => ({
    ...data,
    ...order,
    status: "shipped",
  }));
};

/** Pays back what could not be served. */
const refunds: Handler<Line> = async ({ data }, { state }) => {
  await state("statestore").set(`refund-${data.id}`, data);
};

export default defineApp({
  id: "orders",
  fetch: http.fetch,
  subscriptions: [
    subscribe(
      "pubsub",
      "orders",
      {
        rules: [
          { match: cel(`event.type == "paid"`), handler: inventory },
          { match: cel(`event.type == "reserved"`), handler: shipping },
        ],
      },
      { maxRetries: 1, retryDelayMs: 1000, deadLetterTopic: "refunds" },
    ),
    subscribe("pubsub", "refunds", refunds),
  ],
});
