import { Hono } from "hono";
import * as memory from "../../bindings/memory.ts";
import { type Blocks, defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import { serve, withPillion } from "../../targets/lambda/index.ts";

// What lambda-runtime.test.ts bundles and runs under Lambda's own client.

const components = { statestore: memory.state({}) };
const http = new Hono<PillionEnv>().use(pillion());
let active = 0;
let peak = 0;

http.get("/hello/:name", (c) => c.json({ hello: c.req.param("name"), url: c.req.url }));
http.post("/bytes", async (c) =>
  c.body(await c.req.arrayBuffer(), 200, { "content-type": "application/octet-stream" }),
);
http.get("/stream", () => streamOf(["one", "two", "three"]));
http.get("/broken", () => streamOf(["one", new Error("cut off")]));
http.get(
  "/strings",
  () => new Response(new ReadableStream({ start: (stream) => stream.enqueue("text") })),
);
http.get("/large", () =>
  streamOf(
    Array.from({ length: 64 }, (_, index) => String(index % 10).repeat(65_536)),
    0,
  ),
);
http.get("/empty", (c) => c.body(null, 204, { "x-empty": "yes" }));
http.get("/throws", () => {
  throw new Error("not for callers");
});

http.get("/later/:key", (c) => {
  const { state, call } = c.var.blocks;
  call.waitUntil(sleep(150).then(() => state("statestore").set(c.req.param("key"), Date.now())));
  return c.text("accepted");
});
http.get("/kept/:key", async (c) =>
  c.json((await c.var.blocks.state("statestore").get(c.req.param("key"))) ?? null),
);

/** Answers once `among` invocations are under way together. */
http.get("/isolated/:id/:among", async (c) => {
  const { state, call } = c.var.blocks;
  const { id, among } = c.req.param();
  active++;
  peak = Math.max(peak, active);
  await state("statestore").set(id, `value of ${id}`);
  while (peak < Number(among)) await sleep(5);
  const value = await state("statestore").get(id);
  active--;
  return c.json({ value, peak, traceparent: call.trace.traceparent, deadline: call.deadline });
});

const app = defineApp({ id: "fixture", fetch: http.fetch });

export const handler = serve(app, { components });
export const streaming = serve(app, { components, stream: true });

export const raw = withPillion(
  async (
    event: { key: string },
    context: { awsRequestId: string; getRemainingTimeInMillis(): number },
    { state },
  ) => {
    await state("statestore").set(event.key, context.awsRequestId);
    return { event, stored: (await state("statestore").get(event.key)) === context.awsRequestId };
  },
  { id: "fixture", components },
);

interface Stream {
  write(chunk: string): unknown;
  end(): unknown;
}

export const rawStreaming = withPillion(
  async (event: { key: string }, stream: Stream, _context, { state }) => {
    await state("statestore").set(event.key, "kept");
    stream.write(String(await state("statestore").get(event.key)));
    stream.end();
  },
  { id: "fixture", components, stream: true },
);

/** What Lambda refuses: the control for the arity of all the others. */
export const byCallback = (_event: unknown, _context: unknown, _blocks: Blocks) =>
  Promise.resolve();

function streamOf(parts: readonly (string | Error)[], pauseMs = 30): Response {
  const encoder = new TextEncoder();
  const rest = [...parts];
  const body = new ReadableStream<Uint8Array>({
    async pull(stream) {
      const part = rest.shift();
      if (part === undefined) return stream.close();
      if (part instanceof Error) throw part;
      stream.enqueue(encoder.encode(part));
      if (pauseMs > 0) await sleep(pauseMs);
    },
  });
  return new Response(body, {
    headers: [
      ["content-type", "text/plain"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ],
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
