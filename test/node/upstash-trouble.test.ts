import { spawn } from "node:child_process";
import { once } from "node:events";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { root } from "../harness/folder.ts";
import { owned } from "../harness/process.ts";
import { absentRedis } from "../harness/redis.ts";
import { runtimeOn, upstashBed } from "./_upstash-beds.ts";
import { callOf, failureOf, storeOn } from "./_upstash-store.ts";

const reason = absentRedis();
const value = { json: '"private-value"' };
/** Far more than any of these calls takes, far less than what would count as hanging. */
const BOUND = 5000;

describe("settings", () => {
  const refused = (options: Parameters<typeof storeOn>[0], env = {}) => {
    try {
      storeOn(options, { env });
    } catch (error) {
      return error as Error;
    }
    return new Error("it was taken");
  };

  test("without an address or a token say which variable would do", () => {
    expect(refused({ token: "t" })).toMatchObject({ kind: "config" });
    expect(refused({ token: "t" }).message).toContain("UPSTASH_REDIS_REST_URL");
    expect(refused({ url: "https://db.example" }).message).toContain("UPSTASH_REDIS_REST_TOKEN");
    const env = { UPSTASH_REDIS_REST_URL: "https://db.example", UPSTASH_REDIS_REST_TOKEN: "t" };
    expect(refused({}, env).message).toBe("it was taken");
  });

  test("with an address of another protocol are refused without showing it", () => {
    const error = refused({ url: "rediss://default:secret-password@db.example:6379", token: "t" });
    expect(error).toMatchObject({ kind: "config" });
    expect(error.message).toContain("https://");
    expect(inspect(error)).not.toContain("secret-password");
  });

  test.each([
    ["a line break in the token", { token: "abc\nSECRETPART" }],
    ["a NUL in the token", { token: "SECRETPART\0" }],
    ["a password in the address", { url: "http://user:SECRETPART@db.example" }],
    ["a space in the address", { url: "https://SECRETPART host" }],
  ])("with %s are refused without showing it", (_what, wrong) => {
    const sound = { url: "https://db.example/path", token: "t" };
    expect(refused(sound).message).toBe("it was taken");
    const error = refused({ ...sound, ...wrong });
    expect(error).toMatchObject({ kind: "config" });
    expect(inspect(error)).not.toContain("SECRETPART");
  });

  test.each([undefined, null, "gone"])("a client may reject with %s", async (reason) => {
    const fails = () => Promise.reject(reason);
    const store = storeOn({ client: { eval: fails, evalRo: fails } });
    expect(await failureOf(store.get("k", {}, callOf()))).toMatchObject({ kind: "unavailable" });
  });

  test("with a client that is none are refused", () => {
    expect(refused({ client: {} })).toMatchObject({ kind: "config" });
  });
});

describe.skipIf(reason)(reason ? `upstash (skipped: ${reason})` : "state.upstash", () => {
  const bed = upstashBed();
  const store = (more = {}) => storeOn({ ...bed.options, ...more });
  afterEach(() => {
    bed.front.delay(0);
    bed.front.answer(0, "");
    bed.front.drop(false);
  });

  test("a wrong token is a configuration error that does not show it", async () => {
    const wrong = store({ token: "wrong-token" });
    for (const attempt of [
      () => wrong.init?.(callOf()) as Promise<void>,
      () => wrong.get("k", {}, callOf()),
      () => wrong.set("k", value, {}, callOf()),
    ]) {
      const error = await failureOf(attempt());
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).toContain("component store: Upstash does not accept the token");
      expect(inspect(error, { depth: 9 })).not.toMatch(/wrong-token|private-value/);
    }
    await store().init?.(callOf());
  });

  test("a token that may only read is a configuration error", async () => {
    bed.front.answer(
      400,
      '{"error":"NOPERM this user has no permissions to run the eval command"}',
    );
    expect(await failureOf(store().init?.(callOf()) as Promise<void>)).toMatchObject({
      kind: "config",
    });
  });

  test("what the service refuses is told without the value", async () => {
    for (const [status, body, kind] of [
      [400, '{"error":"ERR max request size exceeded. Limit: 1 bytes"}', "invalid"],
      [400, '{"error":"ERR max daily request limit exceeded"}', "unavailable"],
      [429, '{"error":"too many requests"}', "unavailable"],
      [502, "<html>private-value</html>", "unavailable"],
      [200, '{"result": "private-value', "unavailable"],
    ] as const) {
      bed.front.answer(status, body);
      const error = await failureOf(store().set("k", value, {}, callOf()));
      expect(error).toMatchObject({ kind });
      expect(inspect(error, { depth: 9 })).not.toMatch(/private-value|front-token/);
    }
  });

  test.each(["null", '"OK"', "0", "7", "[]", '["a","b"]', "{}"])(
    "an answer that is none of the call's is no success and no mismatch: %s",
    async (result) => {
      bed.front.answer(200, `{"result":${result}}`);
      const odd = store();
      const operations = [
        { operation: "upsert", key: "a", value },
        { operation: "upsert", key: "b", value },
        { operation: "delete", key: "c" },
      ] as const;
      for (const call of [
        odd.set("k", value, {}, callOf()),
        odd.transaction?.(operations, callOf()),
        odd.get("k", {}, callOf()),
        odd.getBulk?.(["a", "b", "c"], {}, callOf()),
        odd.list?.("a", 10, undefined, callOf()),
      ])
        expect(await failureOf(call as Promise<unknown>)).toMatchObject({ kind: "unavailable" });
    },
  );

  test.each([
    ["is no answer", () => bed.front.answer(500, "gone")],
    ["does not come", () => bed.front.drop(true)],
  ])("a write whose answer %s is not sent again", async (_what, lose) => {
    const first = (await store().set("once", value, {}, callOf())) as string;
    const before = bed.front.requests();
    lose();
    const error = await failureOf(store().set("once", value, { when: { etag: first } }, callOf()));
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(bed.front.requests()).toBe(before + 1);
    bed.front.answer(0, "");
    bed.front.drop(false);
    const item = await store().get("once", {}, callOf());
    expect(BigInt(item?.etag as string)).toBe(BigInt(first) + 1n);
  });

  test("a server that is away fails each call at once, and is found again", async () => {
    const opened = store();
    await opened.set("away", value, {}, callOf());
    await bed.front.halt();
    const started = performance.now();
    for (const attempt of [
      () => opened.get("away", {}, callOf()),
      () => opened.set("away", value, {}, callOf()),
      () => store().init?.(callOf()) as Promise<void>,
    ]) {
      const error = await failureOf(attempt());
      expect(error).toMatchObject({ kind: "unavailable" });
      expect(inspect(error)).not.toMatch(/private-value|front-token/);
    }
    expect(performance.now() - started).toBeLessThan(BOUND);
    await bed.front.start();
    expect(await opened.get("away", {}, callOf())).toMatchObject({ value });
  });

  test("a slow server ends a call with its timeout, and the request with it", async () => {
    bed.front.delay(60_000);
    const started = performance.now();
    const error = await failureOf(store({ timeout: "200ms" }).set("slow", value, {}, callOf()));
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(error.message).toContain("200 ms");
    const before = bed.front.requests();
    const over = await failureOf(
      store().set("slow", value, {}, callOf({ deadline: Date.now() - 1 })),
    );
    expect(over).toMatchObject({ kind: "unavailable" });
    expect(bed.front.requests()).toBe(before);
    const deadline = Date.now() + 200;
    const late = await failureOf(store().get("slow", {}, callOf({ deadline })));
    expect(late).toMatchObject({ kind: "unavailable" });
    expect(performance.now() - started).toBeLessThan(BOUND);
  });

  test("a caller who goes away ends the call with their own reason", async () => {
    bed.front.delay(60_000);
    const stop = new AbortController();
    const calls = [
      store().get("k", {}, callOf({ signal: stop.signal })),
      store().set("k", value, {}, callOf({ signal: stop.signal })),
    ].map(failureOf);
    setTimeout(() => stop.abort(new Error("they left")), 50);
    const started = performance.now();
    for (const call of calls) expect((await call).message).toBe("they left");
    expect(performance.now() - started).toBeLessThan(BOUND);
    const before = bed.front.requests();
    const gone = store().get("k", {}, callOf({ signal: stop.signal }));
    expect((await failureOf(gone)).message).toBe("they left");
    expect(bed.front.requests()).toBe(before);
  });

  test("calls at once do not end one another", async () => {
    const opened = store();
    await opened.set("shared", value, {}, callOf());
    bed.front.delay(100);
    const stop = new AbortController();
    const calls = Array.from({ length: 10 }, (_, index) =>
      opened.get("shared", {}, callOf(index % 2 ? { signal: stop.signal } : {})),
    );
    const outcomes = Promise.allSettled(calls);
    setTimeout(() => stop.abort(new Error("they left")), 20);
    expect((await outcomes).map(({ status }) => status)).toEqual(
      calls.map((_, index) => (index % 2 ? "rejected" : "fulfilled")),
    );
  });

  test("closing the runtime while calls wait leaves none of them hanging", async () => {
    const runtime = runtimeOn({ ...bed.options, timeout: "300ms" });
    bed.front.delay(60_000);
    const call = failureOf(runtime.blocks.state("store").get("k"));
    await runtime.close();
    await runtime.close();
    expect(await call).toMatchObject({ kind: "unavailable" });
  });

  test("a process that used it ends by itself", async () => {
    const program = `${root}/test/node/_upstash-program.ts`;
    const { url, token } = bed.options;
    const child = owned(spawn(process.execPath, [program, url, token], { stdio: "pipe" }));
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        output += chunk;
      });
    const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const [code] = await once(child, "close");
    clearTimeout(late);
    // Nothing of the client's own either: it writes hints to the console.
    expect({ code, output }).toEqual({ code: 0, output: "read 1\n" });
  });
});
