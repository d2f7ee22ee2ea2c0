import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { killSidecars, type RunningSidecar, startSidecar } from "../harness/sidecar.ts";
import { connectRaw, type Raw } from "./_raw.ts";

afterAll(killSidecars);

let sidecar: RunningSidecar;
beforeAll(async () => {
  sidecar = await startSidecar();
  await save("kept", "as it was");
});
afterAll(() => sidecar?.stop());

const state = () => `${sidecar.url}/v1.0/state/statestore`;

async function save(key: string, value: unknown): Promise<void> {
  const body = JSON.stringify([{ key, value }]);
  const response = await fetch(state(), { method: "POST", body });
  if (response.status !== 204) throw new Error(`saved with ${response.status}`);
}

/** The control of every test here: somebody else is served, and what is stored is what it was. */
async function expectSound(): Promise<void> {
  const response = await fetch(`${state()}/kept`);
  expect([response.status, await response.json()]).toEqual([200, "as it was"]);
}

let raw: Raw;
beforeEach(async () => {
  raw = await connectRaw(sidecar.port);
});

const post = (headers: string, body: string) =>
  `POST /v1.0/state/statestore HTTP/1.1\r\nHost: h\r\n${headers}\r\n\r\n${body}`;
const evil = '[{"key":"kept","value":"changed"}]';

describe("a request that two servers could read in two ways is refused, and nothing after it is read", () => {
  const inner = `POST /v1.0/state/statestore HTTP/1.1\r\nHost: h\r\nContent-Length: ${evil.length}\r\n\r\n${evil}`;
  test.each([
    [
      "a length and chunks",
      post("Content-Length: 4\r\nTransfer-Encoding: chunked", `0\r\n\r\n${inner}`),
    ],
    [
      "chunks and a length",
      post("Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${inner}`),
    ],
    ["two lengths", post(`Content-Length: 2\r\nContent-Length: ${inner.length + 2}`, `[]${inner}`)],
    ["a length that is a list", post("Content-Length: 2, 2", `[]${inner}`)],
    ["a negative length", post("Content-Length: -1", inner)],
    ["a length with a sign", post("Content-Length: +2", `[]${inner}`)],
    [
      "chunked twice",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", `0\r\n\r\n${inner}`),
    ],
    ["a chunk size that is none", post("Transfer-Encoding: chunked", `zz\r\n${inner}`)],
    [
      "a line that ends with LF alone",
      `GET /v1.0/state/statestore/x HTTP/1.1\nHost: h\n\n${inner}`,
    ],
    ["a folded header", post("X-A: 1\r\n Content-Length: 2", `[]${inner}`)],
    ["a space before the colon", post("Content-Length : 2", `[]${inner}`)],
    ["a header without a name", post(": x", inner)],
    ["a null byte in a header", post("X-A: a\0b", inner)],
    ["no version", `GET /\r\n\r\n${inner}`],
    ["HTTP/2's preface", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${inner}`],
    ["noise", `\x16\x03\x01\x02\x00\x01\x00${inner}`],
  ])("with %s", async (_name, text) => {
    raw.send(Buffer.from(text, "latin1"));
    const answer = await raw.closed();
    expect(answer).toMatch(/^(HTTP\/1.1 (400|404|500|505) [\s\S]*|)$/);
    expect(answer.match(/HTTP\/1.1 /g)?.length ?? 0).toBeLessThanOrEqual(1);
    await expectSound();
  });

  test("while one that is sound, and another behind it, are both answered", async () => {
    const sound = (key: string) => {
      const body = JSON.stringify([{ key, value: 1 }]);
      return post(`Content-Length: ${body.length}`, body);
    };
    raw.send(sound("a") + sound("b"));
    await raw.until(/204[\s\S]*204/);
    await expectSound();
  });
});

describe("a head that is too large", () => {
  test.each([
    ["100,000 headers", `GET / HTTP/1.1\r\nHost: h\r\n${"X-A: 1\r\n".repeat(100_000)}\r\n`],
    ["a giant header", `GET / HTTP/1.1\r\nHost: h\r\nX-A: ${"x".repeat(1_000_000)}\r\n\r\n`],
    ["a giant address", `GET /${"x".repeat(1_000_000)} HTTP/1.1\r\nHost: h\r\n\r\n`],
  ])("such as %s is refused with 431", async (_name, text) => {
    raw.send(text);
    expect(await raw.closed()).toMatch(/^(HTTP\/1.1 431 |$)/);
    await expectSound();
  });

  test("is so by --read-buffer-size, of which no header is dropped", async () => {
    const flags = ["--read-buffer-size", "1Mi"];
    const env = { DAPR_API_TOKEN: "a-token-1234" };
    const roomy = await startSidecar({ flags, env });
    const many = "X-A: 1\r\n".repeat(5000);
    const connection = await connectRaw(roomy.port);
    connection.send(
      `GET /v1.0/state/statestore/k HTTP/1.1\r\nHost: h\r\n${many}dapr-api-token: a-token-1234\r\n\r\n`,
    );
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 204 /);
    await roomy.stop();
  });
});

describe("bytes that are no text", () => {
  test.each([
    ["in the address", "GET /v1.0/state/statestore/%ff%fe HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["raw in the address", "GET /v1.0/state/statestore/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    [
      "in the query",
      "GET /v1.0/state/statestore/k?metadata.x=%ff HTTP/1.1\r\nHost: h\r\n\r\n",
      400,
    ],
    ["in the body", post("Content-Length: 4", '["\xff"'), 400],
  ])("%s get an answer", async (_name, text, status) => {
    raw.send(Buffer.from(text, "latin1"));
    expect(await raw.until(/\r\n\r\n/)).toContain(`HTTP/1.1 ${status} `);
    await expectSound();
  });
});

describe("names of JavaScript's own", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "such as %s are keys like others, and no stores",
    async (name) => {
      const get = async (path: string) => fetch(`${sidecar.url}/v1.0/state/${path}`);
      expect((await get(`statestore/${name}`)).status).toBe(204);
      await save(name, { [name]: 1 });
      expect(await (await get(`statestore/${name}`)).text()).toBe(JSON.stringify({ [name]: 1 }));
      expect((await get(`${name}/k`)).status).toBe(400);
      const body = `[{"key":"poison","value":1,"${name}":{"key":"x"},"metadata":{"${name}":"y"}}]`;
      await fetch(state(), { method: "POST", body, headers: { [name]: "z" } });
      expect(({} as Record<string, unknown>).key).toBe(undefined);
      await expectSound();
    },
  );
});

describe("slow clients", () => {
  test("that never finish a head are cut off after 10 s, and keep nobody waiting", async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, () => connectRaw(sidecar.port)));
    for (const { send } of slow) send("GET /v1.0/healthz HTTP/1.1\r\nHost: h\r\n");
    const drip = setInterval(() => {
      for (const { send, socket } of slow) if (!socket.destroyed) send("X-A: 1\r\n");
    }, 1000);
    await expectSound();
    const answers = await Promise.all(slow.map(({ closed }) => closed()));
    clearInterval(drip);
    expect(new Set(answers.map((answer) => answer.slice(0, 12)))).toEqual(
      new Set(["HTTP/1.1 408"]),
    );
    await expectSound();
  }, 30_000);

  test("that close their half still get their answer", async () => {
    raw.send("GET /v1.0/state/statestore/kept HTTP/1.1\r\nHost: h\r\n\r\n");
    raw.end();
    expect(await raw.closed()).toMatch(/200 OK[\s\S]*as it was/);
  });

  test("that read nothing do not hold up others", async () => {
    await save("large", "x".repeat(1_000_000));
    raw.socket.pause();
    raw.send("GET /v1.0/state/statestore/large HTTP/1.1\r\nHost: h\r\n\r\n".repeat(50));
    for (let time = 0; time < 5; time++) await expectSound();
    raw.socket.destroy();
  });

  test("that leave in the middle leave nothing behind: the next on a new connection has its own answer", async () => {
    for (let time = 0; time < 50; time++) {
      const leaver = await connectRaw(sidecar.port);
      leaver.send(post("Content-Length: 1000", '[{"key":"kept","value":"changed"}'));
      leaver.socket.destroy();
    }
    await expectSound();
  });
});

test("its memory stays flat while 20,000 connections break off", async () => {
  const rss = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${sidecar.pid}/status`, "utf8"))?.[1]) /
    1024;
  const storm = async (count: number) => {
    for (let done = 0; done < count; done += 100) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, at) => {
          const { send, socket } = await connectRaw(sidecar.port);
          if (at % 2 === 0) send(post("Content-Length: 100000", "x".repeat(1000)));
          else send(`GET /${"y".repeat(3000)}`);
          await sleep(1);
          socket.destroy();
        }),
      );
    }
  };
  await storm(5000);
  const before = rss();
  await storm(15_000);
  const grown = rss() - before;
  console.log(
    `memory after 5,000 broken connections ${before.toFixed(0)} MiB, after 20,000 +${grown.toFixed(0)}`,
  );
  expect(grown).toBeLessThan(60);
  await expectSound();
}, 120_000);
