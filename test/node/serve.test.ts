import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Hono } from "hono";
import { afterEach, describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import {
  ApiError,
  defineApp,
  type PillionEnv,
  type PillionEvent,
  pillion,
} from "../../src/index.ts";
import { type NodeServeOptions, type NodeServer, open, serve } from "../../targets/node/index.ts";
import { newFolder, root } from "../harness/folder.ts";
import { startNode } from "../harness/node.ts";

const servers: NodeServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const components = { store: memory.state({}) };

async function served(
  http: Hono<PillionEnv> | { fetch: (request: Request) => Promise<Response> },
  options: NodeServeOptions = {},
) {
  const app = defineApp({ id: "app", fetch: http.fetch });
  const server = await serve(app, { port: 0, signals: false, components, ...options });
  servers.push(server);
  return server;
}

describe("serve", () => {
  test("gives the app its blocks, and Hono answers an ApiError's own status", async () => {
    const http = new Hono<PillionEnv>().use(pillion());
    http.put("/:key", async (c) => {
      const etag = c.req.header("if-match");
      return c.text(
        String(
          await c.var.blocks.state("store").set(c.req.param("key"), await c.req.json(), { etag }),
        ),
      );
    });
    const { url } = await served(http);
    expect((await fetch(`${url}/k`, { method: "PUT", body: "1" })).status).toBe(200);
    const conflict = await fetch(`${url}/k`, {
      method: "PUT",
      body: "2",
      headers: { "if-match": "stale" },
    });
    expect([conflict.status, await conflict.json()]).toEqual([
      409,
      {
        errorCode: "ERR_STATE_SAVE",
        message:
          "failed saving state in state store store: possible etag mismatch. error from state store: key app||k was written since it was read",
      },
    ]);
  });

  test("bodies, headers, cookies and streams pass both ways", async () => {
    const http = new Hono<PillionEnv>();
    http.post("/echo", async (c) => {
      c.header("x-method", c.req.method);
      c.header("set-cookie", "a=1", { append: true });
      c.header("set-cookie", "b=2", { append: true });
      return c.body(await c.req.arrayBuffer(), 201);
    });
    http.get("/stream", () => {
      const encoder = new TextEncoder();
      return new Response(
        new ReadableStream({
          async start(controller) {
            for (const word of ["one ", "two ", "three"]) {
              controller.enqueue(encoder.encode(word));
              await new Promise((resolve) => setTimeout(resolve, 5));
            }
            controller.close();
          },
        }),
      );
    });
    const { url } = await served(http);
    const body = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    const echo = await fetch(`${url}/echo`, { method: "POST", body });
    expect([echo.status, echo.headers.get("x-method"), echo.headers.getSetCookie()]).toEqual([
      201,
      "POST",
      ["a=1", "b=2"],
    ]);
    expect(new Uint8Array(await echo.arrayBuffer())).toEqual(body);
    expect(await (await fetch(`${url}/stream`)).text()).toBe("one two three");
  });

  test("an app that throws answers 500 without a word of what happened, and the listener hears it", async () => {
    const events: PillionEvent[] = [];
    const thrown = [
      new Error("database password is hunter2"),
      new ApiError("ERR_STATE_GET", "told"),
      "text",
      Object.assign(new Error("broken"), {
        getResponse() {
          throw new Error("inner secret");
        },
      }),
    ];
    const fails = { fetch: async () => Promise.reject(thrown[events.length]) };
    const { url } = await served(fails, { onEvent: (event) => events.push(event) });
    const answers = [];
    for (const _ of thrown) {
      const response = await fetch(url);
      answers.push(`${response.status} ${await response.text()}`);
    }
    expect(answers).toEqual([
      '500 {"errorCode":"ERROR","message":"internal error"}',
      '500 {"errorCode":"ERR_STATE_GET","message":"told"}',
      '500 {"errorCode":"ERROR","message":"internal error"}',
      '500 {"errorCode":"ERROR","message":"internal error"}',
    ]);
    expect(events).toEqual(thrown.map((error) => ({ type: "handler.failed", error })));
  });

  test.each([[undefined], [{}], ["text"], [Response.error()]])(
    "an app that answers %s, which is no response, answers 500",
    async (none) => {
      const events: PillionEvent[] = [];
      const answers = { fetch: async () => none as unknown as Response };
      const { url } = await served(answers, { onEvent: (event) => events.push(event) });
      const response = await fetch(url);
      expect([response.status, await response.json()]).toEqual([
        500,
        { errorCode: "ERROR", message: "internal error" },
      ]);
      expect(events).toMatchObject([{ type: "handler.failed" }]);
    },
  );

  test("the signal of a request is aborted when its client leaves", async () => {
    let aborted: (() => void) | undefined;
    const left = new Promise<void>((resolve) => (aborted = resolve));
    const http = new Hono<PillionEnv>().use(pillion());
    http.get("/", async (c) => {
      const { signal } = c.var.blocks.call;
      signal?.addEventListener("abort", () => aborted?.());
      return new Promise<Response>(() => {});
    });
    const { url, port } = await served(http, { drainMs: 50 });
    expect(url).toBe(`http://127.0.0.1:${port}`);
    const socket = connect(port, "127.0.0.1", () =>
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    );
    setTimeout(() => socket.destroy(), 50);
    await left;
  });

  test("what cannot be served is said before anything listens", async () => {
    await expect(serve({ id: "app" })).rejects.toMatchObject({
      code: "ERR_CONFIGURATION",
      message: expect.stringMatching(/app app has no fetch/),
    });
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    await expect(served(new Hono<PillionEnv>(), { port })).rejects.toMatchObject({
      code: "ERR_CONFIGURATION",
      message: expect.stringMatching(`cannot listen on port ${port} of 127.0.0.1: it is in use`),
    });
    taken.close();
    await expect(served(new Hono<PillionEnv>(), { port: 70_000 })).rejects.toMatchObject({
      message: "port must be a whole number from 0 to 65535, not 70000",
    });
    await expect(
      served(new Hono<PillionEnv>(), { components: { store: memory.state({ nope: 1 } as never) } }),
    ).rejects.toMatchObject({ code: "ERR_CONFIGURATION" });
  });

  test("pillion() without serve says what is missing, and with components of its own works anywhere", async () => {
    const bare = new Hono<PillionEnv>().use(pillion());
    bare.get("/", (c) => c.text("unreached"));
    bare.onError((error, c) => c.text(error.message));
    expect(await (await bare.request("/")).text()).toMatch(
      /pillion\(\) found no runtime: serve the app/,
    );

    const own = new Hono<PillionEnv>().use(
      pillion({ id: "own", components: { store: memory.state({}) } }),
    );
    own.get("/", async (c) => {
      const state = c.var.blocks.state("store");
      return c.json(await state.update("n", (n: number | undefined) => (n ?? 0) + 1));
    });
    expect([await (await own.request("/")).json(), await (await own.request("/")).json()]).toEqual([
      1, 2,
    ]);
  });
});

test("pillion() with components of its own reads the variables that it is given", async () => {
  const components = { store: memory.state({ keyPrefix: "namespace" }) };
  const env = { NAMESPACE: "prod" };
  const http = new Hono<PillionEnv>().use(pillion({ id: "own", components, env }));
  http.get("/", async (c) => {
    const state = c.var.blocks.state("store");
    await state.set("k", 1);
    return c.json([...state.native<Map<string, unknown>>().keys()]);
  });
  expect(await (await http.request("/")).json()).toEqual(["prod.own||k"]);
});

describe("a process that serves", () => {
  const start = (env: Record<string, string> = {}) =>
    startNode({ entry: join(root, "test/node/_server.ts"), folder: newFolder("serve"), env });
  const until = (running: { output(): string }, text: string) =>
    expect.poll(() => running.output()).toContain(text);

  test("keeps state in .pillion/pillion.db, out of git's sight, and reads it again after kill -9", async () => {
    const folder = newFolder("default");
    const entry = join(root, "examples/orders/node.ts");
    let running = await startNode({ entry, folder });
    await fetch(`${running.url}/stock/saddle`, { method: "PUT", body: '{"count":3}' });
    expect(existsSync(join(folder, ".pillion/pillion.db"))).toBe(true);
    expect(readFileSync(join(folder, ".pillion/.gitignore"), "utf8")).toBe("*\n");
    await running.kill();
    running = await startNode({ entry, folder });
    expect(await (await fetch(`${running.url}/stock/saddle`)).json()).toEqual({ count: 3 });
    await running.stop();
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "on %s it finishes what it began, closes and ends with 0",
    async (signal) => {
      const folder = newFolder("signal");
      const running = await startNode({ entry: join(root, "test/node/_server.ts"), folder });
      const answer = fetch(`${running.url}/slow`);
      await until(running, "slow: began");
      process.kill(running.pid, signal);
      expect(await (await answer).text()).toBe("done");
      await expect.poll(() => running.exitCode()).toBe(0);
      expect(running.output()).toMatch(/later: done[\s\S]*component\.closed/);
      const rows = new DatabaseSync(join(folder, ".pillion/pillion.db"))
        .prepare("SELECT key FROM state ORDER BY key")
        .all();
      expect(rows.map(({ key }) => key)).toEqual(["server||later", "server||slow"]);
    },
  );

  test("a request that never ends is cut off after the drain time", async () => {
    const running = await start({ DRAIN_MS: "200" });
    const answer = fetch(`${running.url}/hangs`).catch(() => "cut");
    await until(running, "hangs: began");
    process.kill(running.pid, "SIGTERM");
    expect(await answer).toBe("cut");
    await expect.poll(() => running.exitCode()).toBe(0);
  });

  test("waitUntil work that never ends is left behind after the drain time", async () => {
    const running = await start({ DRAIN_MS: "200" });
    await (await fetch(`${running.url}/endless`)).text();
    process.kill(running.pid, "SIGTERM");
    await expect.poll(() => running.exitCode(), { timeout: 5000 }).toBe(0);
  });

  test("a second signal ends it at once", async () => {
    const running = await start();
    fetch(`${running.url}/hangs`).catch(() => undefined);
    await until(running, "hangs: began");
    process.kill(running.pid, "SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(running.pid, "SIGTERM");
    await expect.poll(() => running.exitCode()).toBe(130);
  });
});

test("open gives the blocks to a script and closes with it", async () => {
  const app = defineApp({ id: "script" });
  await using runtime = await open(app, { components });
  await runtime.blocks.state("store").set("k", 1);
  expect(await runtime.blocks.state("store").get("k")).toBe(1);
});
