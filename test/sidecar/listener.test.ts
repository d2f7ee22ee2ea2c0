import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { ApiRequest, ApiResponse } from "../../src/http/index.ts";
import type { Handle, Served } from "../../targets/cli/sidecar/listener.ts";
import { makeServer } from "../../targets/cli/sidecar/server.ts";
import { connectRaw } from "./_raw.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const text = (body: string, status = 200): ApiResponse => ({
  status,
  headers: { "content-type": "text/plain" },
  body,
});

async function served(handle: Handle, more: { maxBodySize?: number; ending?: () => boolean } = {}) {
  const seen: Served[] = [];
  const errors: unknown[] = [];
  const server = makeServer({
    handle,
    headSize: 4096,
    maxBodySize: 1000,
    ending: () => false,
    onServed: (it) => void seen.push(it),
    onError: (error) => void errors.push(error),
    ...more,
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}`, seen, errors };
}

const echo: Handle = async (request) => text(new TextDecoder().decode(await request.body()));

describe("a request", () => {
  test("has its target as it was sent, and headers by lower case, several of one name joined", async () => {
    const requests: ApiRequest[] = [];
    const { port } = await served((request) => {
      requests.push(request);
      return text("");
    });
    const raw = await connectRaw(port);
    raw.send("GET /a%2Fb/../c?x=%20&y HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nx-one: 2\r\n\r\n");
    await raw.until(/200 OK/);
    const [request] = requests as [ApiRequest];
    const { method, path, query } = request;
    expect({ method, path, query }).toEqual({
      method: "GET",
      path: "/a%2Fb/../c",
      query: "x=%20&y",
    });
    expect(["x-one", "host", "x-two"].map((name) => request.header(name))).toEqual([
      "1, 2",
      "h",
      undefined,
    ]);
  });

  test("that asks for its signal once its client has left finds it aborted", async () => {
    let asked: AbortSignal | undefined;
    const { port } = await served(async (request) => {
      await sleep(60);
      asked = request.signal;
      return text("");
    });
    const raw = await connectRaw(port);
    raw.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await sleep(10);
    raw.socket.destroy();
    await expect.poll(() => asked?.aborted).toBe(true);
  });

  test.each([
    ["http://h/v1.0/x?y", "/v1.0/x", "y"],
    ["http://h", "/", ""],
    ["*", "/", ""],
  ])("for %s has a path", async (target, path, query) => {
    const { port } = await served((request) => text(JSON.stringify([request.path, request.query])));
    const raw = await connectRaw(port);
    raw.send(`OPTIONS ${target} HTTP/1.1\r\nHost: h\r\n\r\n`);
    expect(await raw.until(/\]$/)).toContain(JSON.stringify([path, query]));
  });

  test("has its body, also in pieces, and an empty one where there is none", async () => {
    const { url, port } = await served(echo);
    expect(await (await fetch(url)).text()).toBe("");
    expect(await (await fetch(url, { method: "POST", body: "whole" })).text()).toBe("whole");
    const raw = await connectRaw(port);
    raw.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    await sleep(20);
    raw.send("4\r\n two\r\n0\r\n\r\n");
    expect(await raw.until(/one two$/)).toContain("200 OK");
  });

  test("whose body is too large is answered, and the connection goes on if the rest comes soon", async () => {
    const tooLarge: Handle = (request) =>
      request.body().then(
        () => text("read"),
        (error: Error) => text(error.message, 400),
      );
    const { port } = await served(tooLarge);
    const raw = await connectRaw(port);
    raw.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n${"x".repeat(2000)}`);
    expect(await raw.until(/bytes$/)).toMatch(
      /^HTTP\/1.1 400 [\s\S]*it is larger than 1000 bytes$/,
    );
    raw.send(`${"x".repeat(1000)}POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx`);
    expect(await raw.until(/read$/)).toContain("HTTP/1.1 200 OK");
  });

  test("whose body goes on and on after the answer is cut off", async () => {
    const { port } = await served(() => text("early"));
    const raw = await connectRaw(port);
    raw.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    await raw.until(/early$/);
    const drip = setInterval(() => raw.send("x"), 10);
    await raw.closed();
    clearInterval(drip);
  });

  test("is told when its client leaves, and not when it is answered", async () => {
    const signals: AbortSignal[] = [];
    const { port } = await served(async (request) => {
      signals.push(request.signal as AbortSignal);
      if (request.path === "/waits") await once(request.signal as AbortSignal, "abort");
      return text("");
    });
    const raw = await connectRaw(port);
    raw.send("GET /answered HTTP/1.1\r\nHost: h\r\n\r\n");
    await raw.until(/200 OK/);
    raw.send("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2));
    await expect.poll(() => signals.length).toBe(3);
    raw.socket.destroy();
    await expect.poll(() => signals.map(({ aborted }) => aborted)).toEqual([false, true, true]);
  });

  test("whose client leaves in the middle of the body has a body that cannot be read", async () => {
    const outcomes: string[] = [];
    const { port } = await served(async (request) => {
      await request.body().catch((error: Error) => outcomes.push(error.message));
      return text("");
    });
    const raw = await connectRaw(port);
    raw.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    await sleep(20);
    raw.socket.destroy();
    await expect.poll(() => outcomes).toEqual(["its client left in the middle of it"]);
  });
});

describe("a client that asks before it sends a body", () => {
  const head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

  test("is told to send it once the body is wanted", async () => {
    const { port } = await served(echo);
    const raw = await connectRaw(port);
    raw.send(head);
    await raw.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    raw.send("body");
    expect(await raw.until(/body$/)).toMatch(/100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
  });

  test("is not told so where the answer needs none, and its connection ends with that", async () => {
    const { port } = await served(() => text("no", 401));
    const raw = await connectRaw(port);
    raw.send(head);
    expect(await raw.closed()).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*Connection: close/);
  });
});

describe("an answer", () => {
  test("has the length of its body, and none without one", async () => {
    const answers: Record<string, ApiResponse> = {
      "/text": text("ü"),
      "/bytes": { status: 200, headers: {}, body: new Uint8Array([0, 255]) },
      "/empty": { status: 204, headers: {} },
      "/bare": { status: 500, headers: {} },
    };
    const { url } = await served(({ path }) => answers[path] as ApiResponse);
    const lengths = await Promise.all(
      Object.keys(answers).map(async (path) => {
        const response = await fetch(url + path);
        const { byteLength } = await response.arrayBuffer();
        return [response.status, response.headers.get("content-length"), byteLength];
      }),
    );
    expect(lengths).toEqual([
      [200, "2", 2],
      [200, "2", 2],
      [204, null, 0],
      [500, "0", 0],
    ]);
  });

  test("leaves in one piece, as one write", async () => {
    const { port } = await served(() => text("x".repeat(1000)));
    const raw = await connectRaw(port);
    const pieces: number[] = [];
    raw.socket.on("data", (piece) => pieces.push(piece.length));
    raw.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await raw.until(/x{1000}$/);
    expect(pieces).toHaveLength(1);
  });

  test("to HEAD has no body, and the next answer is its own", async () => {
    const { port } = await served(({ method }) => text(`for ${method}`));
    const raw = await connectRaw(port);
    raw.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const all = await raw.until(/for GET$/);
    expect(all.match(/for \w+/g)).toEqual(["for GET"]);
    expect(all.match(/HTTP\/1.1 200/g)).toHaveLength(2);
  });

  test("to pipelined requests comes in their order, whichever is ready first", async () => {
    const { port } = await served(async ({ path }) => {
      await sleep(path === "/1" ? 40 : 0);
      return text(`<${path}>`);
    });
    const raw = await connectRaw(port);
    raw.send(["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(""));
    expect((await raw.until(/<\/3>$/)).match(/<.*?>/g)).toEqual(["</1>", "</2>", "</3>"]);
  });

  test("is 500 without a word where the API itself fails, and the failure is told", async () => {
    const failure = new Error("secret");
    const { url, errors } = await served(() => Promise.reject(failure));
    const response = await fetch(url);
    expect([response.status, await response.json()]).toEqual([
      500,
      { errorCode: "ERROR", message: "internal error" },
    ]);
    expect(errors).toEqual([failure]);
  });

  test("is 500 too where it cannot be written, and its connection goes on", async () => {
    const { port, errors, seen } = await served(({ path }) => ({
      ...text("x"),
      headers: { etag: path === "/bad" ? "a\nb" : "good" },
    }));
    const raw = await connectRaw(port);
    raw.send("GET /bad HTTP/1.1\r\nHost: h\r\n\r\nGET /good HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(await raw.until(/good[\s\S]*x$/)).toMatch(/^HTTP\/1.1 500 [\s\S]*HTTP\/1.1 200 /);
    expect(errors).toMatchObject([{ code: "ERR_INVALID_CHAR" }]);
    expect(seen.map(({ status }) => status)).toEqual([500, 200]);
  });

  test("ends its connection once the process ends", async () => {
    let ending = false;
    const { port } = await served(() => text("last"), { ending: () => ending });
    const raw = await connectRaw(port);
    raw.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await raw.until(/last$/);
    ending = true;
    raw.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(await raw.closed()).toMatch(/keep-alive[\s\S]*Connection: close[\s\S]*last$/);
  });

  test("is counted with what was asked", async () => {
    const { url, seen } = await served(() => text("four", 404));
    await (await fetch(`${url}/x`)).text();
    expect(seen).toMatchObject([{ request: { method: "GET", path: "/x" }, status: 404, bytes: 4 }]);
  });
});
