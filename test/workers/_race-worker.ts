import { Hono } from "hono";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { type ApiError, defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import { serve } from "../../targets/workers/index.ts";

let conflicts = 0;
const http = new Hono<PillionEnv>();
http.use(pillion());
http.get("/hello", (c) => c.text("hello"));
http.get("/count/:times", async (c) => {
  const state = c.var.blocks.state("shared");
  for (let time = 0; time < Number(c.req.param("times")); time++) {
    await state.update("counter", (value: number | undefined) => (value ?? 0) + 1, {
      attempts: 1000,
    });
  }
  return c.json({ conflicts });
});
http.get("/counter", async (c) => c.json(await c.var.blocks.state("shared").get("counter")));
http.get("/first/:n", async (c) => {
  const state = c.var.blocks.state("statestore");
  await state.set(`first-${c.req.param("n")}`, c.req.param("n"));
  return c.text(String(await state.get(`first-${c.req.param("n")}`)));
});
http.get("/read/:n", async (c) =>
  c.text(String(await c.var.blocks.state("statestore").get(`first-${c.req.param("n")}`))),
);
http.get("/sizes", async (c) => {
  const state = c.var.blocks.state("statestore");
  const attempt = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (error: ApiError) => error,
    );
    return error && { kind: error.kind, message: error.message };
  };
  const big = "x".repeat(1_900_000);
  const keys = Array.from({ length: 20 }, (_, index) => `big-${index}`);
  const row = await attempt(state.set("row", "x".repeat(2_000_001)));
  const key = await attempt(state.set("k".repeat(2_000_001), 1));
  const transaction = await attempt(
    state.transaction(keys.map((key) => ({ operation: "upsert", key, value: big }))),
  );
  const written = (await state.getBulk(keys)).filter(({ value }) => value !== undefined).length;
  for (const key of keys) await state.set(key, big);
  const read = (await state.getBulk(keys)).filter(({ value }) => value === big).length;
  return c.json({ row, key, transaction, written, read });
});
http.get("/trace", async (c) => {
  const { call, state } = c.var.blocks;
  const key = `trace-${c.req.query("n")}`;
  await state("statestore").set(key, call.trace.traceparent ?? "none");
  call.waitUntil(state("statestore").set(`${key}-later`, "done"));
  call.waitUntil(Promise.reject(new Error("reported, not thrown")));
  return c.json({ trace: call.trace, stored: await state("statestore").get(key) });
});
http.get("/later", async (c) =>
  c.json(await c.var.blocks.state("statestore").get(`trace-${c.req.query("n")}-later`)),
);

/** `main` serves its own object; a peer reaches the same one through the worker binding STORE. */
export const app = defineApp({ id: "race", fetch: http.fetch });
export const worker = (binding?: string) =>
  serve(app, {
    components: { shared: durableObjects.state({ object: "shared", ...(binding && { binding }) }) },
    onEvent: ({ type }) => {
      if (type === "state.conflict") conflicts++;
    },
  });
