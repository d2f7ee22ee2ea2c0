import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { type Api, createApi } from "../../src/http/index.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type Lambda, startLambda } from "../harness/lambda.ts";
import { bundleNode } from "../harness/node.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";
import type { Row, Setup } from "./_rows.ts";
import { gotFrom, overHttp, requestOf, run, type Sender } from "./_run.ts";
import { componentsOf } from "./_setups.ts";
import { requests } from "./requests.ts";

const mounted = (row: Row) => row.only !== "process";
const path = "/v1.0/state/store";
const save = (key: string) => ({
  method: "POST",
  path,
  headers: { "content-type": "application/json" },
  body: JSON.stringify([{ key, value: { quantity: 2 } }]),
});
const read = (key: string) => ({ method: "GET", path: `${path}/${key}`, headers: {} });

describe("on a server of Node's", () => {
  const servers: Server[] = [];
  let senders: Record<Setup, Sender>;

  beforeAll(async () => {
    const open = (on: Setup) => listen(createApi({ id: "app", components: componentsOf(on) }));
    senders = { store: await open("store"), bus: await open("bus"), bare: await open("bare") };
  });
  afterAll(() => {
    for (const server of servers) server.close();
  });

  test.each(requests.filter(mounted))("$name", (row) => run(row, senders[row.on]));

  /** The least that a server has to do. */
  async function listen(api: Api): Promise<Sender> {
    const server = createServer(async (message, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
      const headers = message.headers as Record<string, string>;
      const body = Buffer.concat(chunks);
      const { method = "", url = "" } = message;
      const answer = await api.handle(requestOf(method, url, { headers, body }));
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return overHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
});

describe("in a Hono app", () => {
  test("components open on the first request, and close with the API", async () => {
    const types: string[] = [];
    const api = createApi({
      id: "app",
      components: { store: memory.state({}) },
      onEvent: ({ type }) => void types.push(type),
    });
    const http = new Hono().mount("/", api.fetch);
    expect(types).toEqual([]);
    const sent = await http.request(path, { method: "POST", body: '[{"key":"a","value":1}]' });
    expect([sent.status, types]).toEqual([204, ["component.opened", "state.call"]]);
    await api.close();
    await api.close();
    expect(types.at(-1)).toBe("component.closed");
    expect((await http.request(`${path}/a`)).status).toBe(503);
  });

  test("one path of the API may be mounted alone", async () => {
    const { fetch } = createApi({ id: "app", components: { store: memory.state({}) } });
    const http = new Hono();
    http.all("/v1.0/*", (c) => fetch(c.req.raw, c.env));
    const body = '[{"key":"a/b","value":1}]';
    expect((await http.request(path, { method: "POST", body })).status).toBe(204);
    expect(await (await http.request(`${path}/a%2Fb`)).text()).toBe("1");
    expect((await http.request("/v1.0-alpha1/state/store/query")).status).toBe(404);
  });

  test("components that cannot work are named in every answer", async () => {
    const store = { ...memory.state({}), runsOn: ["lambda"] as const };
    const { fetch, handle } = createApi({ id: "app", components: { store } });
    const answers = [
      await gotFrom(await fetch(new Request("http://localhost/v1.0/metadata"))),
      await handle(requestOf("GET", "/v1.0/metadata")),
    ];
    for (const { status, body } of answers) {
      expect([status, JSON.parse(String(body))]).toEqual([
        500,
        {
          errorCode: "ERR_CONFIGURATION",
          message: "component store: state.in-memory does not run on node, only on lambda",
        },
      ]);
    }
  });
});

describe("in a Worker", () => {
  let workers: RunningWorkers;
  let send: Sender;

  beforeAll(async () => {
    const entry = join(root, "test/http/_worker.ts");
    workers = await startWorkers({ entry, folder: newFolder("workers") });
    send = overHttp(workers.url);
  });
  afterAll(() => workers?.stop());

  test("the API stands beside the app's routes", async () => {
    const hello = { method: "GET", path: "/hello", headers: {} };
    expect((await send(hello)).body).toBe("hello");
    expect((await send(save("worker"))).status).toBe(204);
    const got = await send(read("worker"));
    expect([got.status, got.body, got.headers["content-type"]]).toEqual([
      200,
      '{"quantity":2}',
      "application/json",
    ]);
    expect(got.headers.etag).toMatch(/./);
    const stale = { ...read("worker"), method: "DELETE", headers: { "if-match": "stale" } };
    expect((await send(stale)).status).toBe(409);
    const kept = { ...stale, headers: { "if-match": got.headers.etag as string } };
    expect((await send(kept)).status).toBe(204);
    expect((await send(read("worker"))).status).toBe(204);
  });

  test("or under a path of its own, for an app of its own", async () => {
    const under = (step: ReturnType<typeof read>) => ({ ...step, path: `/dapr${step.path}` });
    expect((await send(under(save("under")))).status).toBe(204);
    expect((await send(under(read("under")))).body).toBe('{"quantity":2}');
    expect((await send(read("under"))).status).toBe(204);
    const metadata = await send({ method: "GET", path: "/dapr/v1.0/metadata", headers: {} });
    expect(JSON.parse(metadata.body).id).toBe("under");
  });

  test("many requests at once are answered, each by its own", async () => {
    const keys = Array.from({ length: 20 }, (_, index) => `many/${index}`);
    const saved = await Promise.all(keys.map((key) => send(save(key))));
    expect(new Set(saved.map(({ status }) => status))).toEqual(new Set([204]));
    const bulk = { ...save(""), path: `${path}/bulk`, body: JSON.stringify({ keys }) };
    const entries = JSON.parse((await send(bulk)).body) as { key: string; data: unknown }[];
    expect(entries.map(({ key }) => key)).toEqual(keys);
    expect(entries.every(({ data }) => JSON.stringify(data) === '{"quantity":2}')).toBe(true);
  });
});

describe("under Lambda's runtime client", () => {
  let lambda: Lambda;
  let send: Sender;

  beforeAll(async () => {
    const entry = join(newFolder("lambda"), "function.mjs");
    await bundleNode(join(root, "test/http/_lambda.ts"), entry);
    lambda = await startLambda({ entry, env: { DAPR_API_TOKEN: "secret" } });
    send = overHttp(lambda.url);
  });
  afterAll(() => lambda?.stop());

  test("the API stands beside the app's routes, and asks for the token of the variables", async () => {
    const withToken = (step: ReturnType<typeof read>) => ({
      ...step,
      headers: { ...step.headers, "dapr-api-token": "secret" },
    });
    const hello = { method: "GET", path: "/hello", headers: {} };
    expect((await send(hello)).body).toBe("hello");
    expect((await send(read("function"))).status).toBe(401);
    expect((await send(withToken(save("a/b")))).status).toBe(204);
    const got = await send(withToken(read("a%2Fb")));
    expect([got.status, got.body]).toEqual([200, '{"quantity":2}']);
    const health = { method: "GET", path: "/v1.0/healthz", headers: {} };
    expect((await send(health)).status).toBe(204);
  });
});
