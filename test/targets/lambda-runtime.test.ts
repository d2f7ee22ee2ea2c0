import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { root } from "../harness/folder.ts";
import { type Lambda, type LambdaOptions, nativeClient, startLambda } from "../harness/lambda.ts";

const clients = [
  { client: "the stand-in", native: false, built: true },
  { client: "the native client", native: true, built: existsSync(nativeClient) },
];

// The bundle needs nothing of the checkout, so it runs outside, as in Lambda.
const folder = mkdtempSync(join(tmpdir(), "pillion-lambda-"));
const entry = join(folder, "fixture.mjs");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await build({
    entryPoints: [join(root, "test/targets/_lambda-fixture.ts")],
    outfile: entry,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    logLevel: "warning",
  });
});

for (const { client, native, built } of clients) {
  // `test/lambda/build-native.sh` builds it, which needs a compiler; CI has one.
  const skipped = !built && !process.env.CI;
  describe.skipIf(skipped)(
    `under AWS's runtime client, with ${client}${skipped ? ": not built" : ""}`,
    () => {
      test("is built", () => expect(built).toBe(true));

      test("a buffered handler answers function URL requests", async () => {
        const { url } = await start({ native });
        const answer = await fetch(`${url}/hello/a%2Fb?q=1`);
        expect(answer.status).toBe(200);
        expect(await answer.json()).toEqual({ hello: "a/b", url: `${url}/hello/a%2Fb?q=1` });
      });

      test("bytes come back as they were sent", async () => {
        const { url } = await start({ native });
        const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
        const answer = await fetch(`${url}/bytes`, { method: "POST", body: bytes });
        expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
      });

      test("an event that is not HTTP fails the invocation, and the sandbox serves the next", async () => {
        const lambda = await start({ native });
        expect(
          (await lambda.invoke({ Records: [{ eventSource: "aws:sqs" }] })).error,
        ).toMatchObject({
          errorType: "ApiError",
          errorMessage: expect.stringContaining("was given an aws:sqs event") as string,
        });
        expect((await fetch(`${lambda.url}/hello/you`)).status).toBe(200);
      });

      test("waitUntil work is done before a buffered answer, and after the body of a streamed one", async () => {
        const buffered = await start({ native });
        await buffered.invoke(get("/later/k"));
        const answered = Date.now();
        const { payload } = await buffered.invoke(get("/kept/k"));
        expect(Number((payload as { body: string }).body)).toBeLessThanOrEqual(answered);

        const streaming = await start({ native, handler: "streaming" });
        const { streamed } = await streaming.invoke(get("/later/k"));
        const received = Date.now();
        expect(streamed?.body.toString()).toBe("accepted");
        const kept = await streaming.invoke(get("/kept/k"));
        expect(Number(kept.streamed?.body)).toBeGreaterThan(received);
      });

      test("a streamed answer arrives while it is made", async () => {
        const lambda = await start({ native, handler: "streaming" });
        const arrivals: number[] = [];
        const { streamed, error } = await lambda.invoke(get("/stream"), {
          onChunk: () => arrivals.push(Date.now()),
        });
        expect(error).toBeUndefined();
        expect(streamed).toMatchObject({
          contentType: "application/vnd.awslambda.http-integration-response",
          prelude: {
            statusCode: 200,
            headers: { "content-type": "text/plain" },
            cookies: ["a=1", "b=2"],
          },
        });
        expect(streamed?.body.toString()).toBe("onetwothree");
        expect((arrivals.at(-1) as number) - (arrivals[0] as number)).toBeGreaterThan(30);
      });

      test("a streamed answer larger than every buffer arrives whole, one without a body at once", async () => {
        const { invoke, url } = await start({ native, handler: "streaming" });
        const { streamed } = await invoke(get("/large"));
        expect(streamed?.body.length).toBe(64 * 65_536);
        const empty = await fetch(`${url}/empty`);
        expect([empty.status, empty.headers.get("x-empty"), await empty.text()]).toEqual([
          204,
          "yes",
          "",
        ]);
      });

      test.each([
        ["/broken", "cut off", "one"],
        ["/strings", "a response body must be made of Uint8Array chunks", ""],
      ])(
        "an error in the middle of %s is in the trailers, and the sandbox serves the next",
        async (path, message, sent) => {
          const lambda = await start({ native, handler: "streaming" });
          const { streamed, error } = await lambda.invoke(get(path));
          expect(streamed?.prelude?.statusCode).toBe(200);
          expect(streamed?.body.toString()).toBe(sent);
          expect(error?.errorMessage).toBe(message);
          const next = await fetch(`${lambda.url}/hello/you`);
          expect(next.status).toBe(200);
          await next.text();
          await expect(
            fetch(`${lambda.url}/broken`).then((answer) => answer.text()),
          ).rejects.toThrow();
        },
      );

      test("an app that throws before it streams answers 500", async () => {
        const { url } = await start({ native, handler: "streaming" });
        const answer = await fetch(`${url}/throws`);
        expect([answer.status, await answer.text()]).toEqual([500, "Internal Server Error"]);
      });

      test("withPillion takes any event, buffered and streaming", async () => {
        const raw = await start({ native, handler: "raw" });
        expect(await raw.invoke({ key: "k" })).toEqual({
          payload: { event: { key: "k" }, stored: true },
        });
        const streaming = await start({ native, handler: "rawStreaming" });
        expect((await streaming.invoke({ key: "k" })).streamed?.body.toString()).toBe("kept");
      });

      test("the client refuses three parameters, which none of ours has", async () => {
        await expect(start({ native, handler: "byCallback" })).rejects.toThrow(
          "Runtime.CallbackHandlerDeprecated",
        );
      });

      test.each(["handler", "streaming"])(
        "100 overlapping invocations of %s see only their own",
        async (handler) => {
          const lambda = await start({ native, handler, concurrent: true });
          const sent = Date.now();
          const outcomes = await Promise.all(
            Array.from({ length: 100 }, (_, index) =>
              lambda.invoke(get(`/isolated/${index}/100`, { traceparent: traceparentOf(index) }), {
                deadlineMs: 20_000 + index * 1000,
              }),
            ),
          );
          for (const [index, { payload, streamed }] of outcomes.entries()) {
            const text = streamed?.body.toString() ?? (payload as { body: string }).body;
            const { deadline, ...rest } = JSON.parse(text) as { deadline: number };
            expect(rest).toEqual({
              value: `value of ${index}`,
              peak: 100,
              traceparent: traceparentOf(index),
            });
            expect(Math.round((deadline - sent - 20_000 - index * 1000) / 5000)).toBe(0);
          }
        },
      );
    },
  );
}

async function start(options: LambdaOptions): Promise<Lambda> {
  const lambda = await startLambda({ entry, ...options });
  onTestFinished(() => lambda.stop());
  return lambda;
}

function traceparentOf(index: number): string {
  const id = index.toString(16).padStart(16, "0");
  return `00-${"a".repeat(16)}${id}-b${id.slice(1)}-01`;
}

function get(rawPath: string, headers: Record<string, string> = {}) {
  return {
    version: "2.0",
    rawPath,
    rawQueryString: "",
    headers: { host: "example.com", ...headers },
    requestContext: { http: { method: "GET" }, stage: "$default" },
  };
}
