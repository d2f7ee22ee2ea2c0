import { describe, expect, test } from "vitest";
import { createApi, runtimeApi } from "../../src/http/index.ts";
import { ApiError } from "../../src/index.ts";
import { requestOf, throughFetch, throughHandle } from "./_run.ts";
import { apiWith } from "./_stores.ts";

const write = { method: "POST", path: "/v1.0/state/store", body: '[{"key":"key","value":1}]' };

describe("the body limit", () => {
  const bodyOf = (size: number) => `[{"key":"key","value":"${"x".repeat(size - 26)}"}]`;
  const save = (body: string) => ({ ...write, body, headers: {} });

  test.each([
    ["handle", throughHandle],
    ["fetch", throughFetch],
  ] as const)("through %s is the last byte", async (_way, through) => {
    const send = through(apiWith({ maxBodySize: 1000 }).api);
    expect(bodyOf(1000).length).toBe(1000);
    expect((await send(save(bodyOf(1000)))).status).toBe(204);
    const { status, body } = await send(save(bodyOf(1001)));
    expect([status, body]).toEqual([
      400,
      '{"errorCode":"ERR_MALFORMED_REQUEST","message":"it is larger than 1000 bytes"}',
    ]);
  });

  test("a body whose length says too much is not read", async () => {
    const { api } = apiWith({ maxBodySize: 10 });
    const headers = { "content-length": "11" };
    const request = requestOf("POST", "/v1.0/state/store", { headers });
    let read = false;
    const body = async () => {
      read = true;
      return new Uint8Array();
    };
    expect((await api.handle({ ...request, body })).status).toBe(400);
    expect(read).toBe(false);
    await api.handle({ ...request, header: () => undefined, body });
    expect(read).toBe(true);
  });

  test("a stream without an end is read no further than it must", async () => {
    const { api } = apiWith({ maxBodySize: 1000 });
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(stream) {
        pulled++;
        stream.enqueue(new Uint8Array(500));
      },
    });
    const request = new Request("http://localhost/v1.0/state/store", {
      method: "POST",
      body: endless,
      duplex: "half",
    } as RequestInit);
    expect((await api.fetch(request)).status).toBe(400);
    expect(pulled).toBeLessThan(10);
  });

  test("0 is no limit", async () => {
    const { api } = apiWith({ maxBodySize: 0 });
    expect(api.maxBodySize).toBe(Infinity);
    expect((await throughHandle(api)(save(bodyOf(5_000_000)))).status).toBe(204);
    expect((await throughHandle(apiWith().api)(save(bodyOf(5_000_000)))).status).toBe(400);
  });

  test("a body that cannot be read is malformed", async () => {
    const { api } = apiWith();
    const request = requestOf("POST", "/v1.0/state/store");
    const body = () => Promise.reject(new Error("the connection broke"));
    const got = await api.handle({ ...request, body });
    expect([got.status, String(got.body)]).toEqual([
      400,
      '{"errorCode":"ERR_MALFORMED_REQUEST","message":"the connection broke"}',
    ]);
  });
});

describe("settings that cannot work", () => {
  test.each([
    [{ token: "" }, /token is empty/],
    [{ maxBodySize: -1 }, /maxBodySize must be/],
    [{ maxBodySize: 1.5 }, /maxBodySize must be/],
  ])("%o are refused at once", (settings, message) => {
    const refused = (make: () => unknown) => {
      try {
        return make();
      } catch (error) {
        expect(ApiError.is(error, "ERR_CONFIGURATION")).toBe(true);
        return (error as Error).message;
      }
    };
    expect(refused(() => createApi({ id: "app", components: {}, ...settings }))).toMatch(message);
    const { runtime } = apiWith();
    expect(refused(() => runtimeApi(runtime, settings))).toMatch(message);
  });
});

describe("in a process", () => {
  test("health names what is waited for, and the outbound side stands by itself", async () => {
    const waiting = ["app", "components"];
    const { api } = apiWith({
      process: { waitingFor: () => waiting, outboundReady: () => waiting.length < 2 },
    });
    const send = throughHandle(api);
    const ask = async (path: string) => {
      const { status, body } = await send({ method: "GET", path, headers: {} });
      return body ? [status, JSON.parse(body)] : [status];
    };
    expect(await ask("/v1.0/healthz")).toEqual([
      500,
      { errorCode: "ERR_HEALTH_NOT_READY", message: "dapr is not ready: [app components]" },
    ]);
    expect(await ask("/v1.0/healthz/outbound")).toEqual([
      500,
      { errorCode: "ERR_OUTBOUND_HEALTH_NOT_READY", message: "dapr outbound is not ready" },
    ]);
    waiting.pop();
    expect(await ask("/v1.0/healthz/outbound")).toEqual([204]);
    waiting.pop();
    expect(await ask("/v1.0/healthz")).toEqual([204]);
  });

  test("a shutdown is asked for, by force where the header says so", async () => {
    const asked: boolean[] = [];
    const { api } = apiWith({ process: { shutdown: (force) => void asked.push(force) } });
    const send = throughHandle(api);
    const path = "/v1.0/shutdown";
    for (const force of [undefined, "true", "TRUE", "no"]) {
      const headers: Record<string, string> = force ? { "dapr-force-shutdown": force } : {};
      expect((await send({ method: "POST", path, headers })).status).toBe(204);
    }
    expect(asked).toEqual([false, true, true, false]);
  });

  test("metadata shows what was written, what the process says, and how the app is reached", async () => {
    const { api } = apiWith({
      components: {},
      process: {
        extended: { appCommand: "node app.js", color: "red" },
        app: { port: 3000, protocol: "http", channelAddress: "127.0.0.1" },
      },
    });
    const send = throughHandle(api);
    const put = (name: string, body: string) =>
      send({ method: "PUT", path: `/v1.0/metadata/${name}`, headers: {}, body });
    await put("color", "blue <&>");
    await put("__proto__", "kept");
    await put("daprRuntimeVersion", "99");
    const { body } = await send({ method: "GET", path: "/v1.0/metadata", headers: {} });
    expect(body).toBe(
      '{"id":"app","runtimeVersion":"1.18.3+pillion","extended":{"__proto__":"kept","appCommand":"node app.js","color":"blue \\u003c\\u0026\\u003e","daprRuntimeVersion":"1.18.3+pillion"},"appConnectionProperties":{"port":3000,"protocol":"http","channelAddress":"127.0.0.1"},"actorRuntime":{"runtimeStatus":"DISABLED","hostReady":false,"placement":"placement: disconnected"}}\n',
    );
  });
});
