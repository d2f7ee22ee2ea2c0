import { describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import type { Blocks } from "../../src/index.ts";
import { withPillion } from "../../targets/lambda/index.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("withPillion", () => {
  const components = { statestore: memory.state({}) };
  const context = { awsRequestId: "r", getRemainingTimeInMillis: () => 1000 };

  test("passes event and context as they are, and the blocks last", async () => {
    const event = { Records: [{ eventSource: "aws:sqs", body: "1" }], headers: { traceparent } };
    const handler = withPillion(
      async (given: typeof event, givenContext, { state, call }) => {
        expect(given).toBe(event);
        expect(givenContext).toBe(context);
        expect(call.trace).toEqual({ traceparent });
        await state("statestore").set("k", given.Records[0]?.body);
        return { stored: await state("statestore").get("k") };
      },
      { id: "orders", components },
    );
    expect(handler.length).toBeLessThanOrEqual(2);
    expect(await handler(event, context)).toEqual({ stored: "1" });
  });

  test.each([null, "text", 7, [1]])("takes the event %j", async (event) => {
    const handler = withPillion((given: unknown) => given, { id: "orders", components });
    expect(await handler(event, context)).toEqual(event);
  });

  test("waits for waitUntil work, and lets a failure through after it", async () => {
    let done = false;
    const handler = withPillion(
      (_event: unknown, _context, { call }) => {
        call.waitUntil(later(20).then(() => (done = true)));
        throw new Error("mine");
      },
      { id: "orders", components },
    );
    await expect(handler({}, context)).rejects.toThrow("mine");
    expect(done).toBe(true);
  });

  test("keeps the marks of a handler that streams", async () => {
    const streams = Symbol.for("aws.lambda.runtime.handler.streaming");
    const water = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
    const calls: unknown[][] = [];
    const bare = async (...args: [unknown, unknown, typeof context, Blocks]) =>
      void calls.push(args);
    const marked = withPillion(Object.assign(bare, { [streams]: "response", [water]: 1024 }), {
      id: "orders",
      components,
      stream: true,
    });
    expect(marked).toMatchObject({ [streams]: "response", [water]: 1024 });
    expect(marked.length).toBeLessThanOrEqual(2);
    await marked("event", "stream", context);
    expect(calls[0]?.slice(0, 3)).toEqual(["event", "stream", context]);
    expect(calls[0]?.[3]).toHaveProperty("state");
  });

  test("refuses a handler of four parameters that is not said to stream", () => {
    const bare = (async (_e: unknown, _s: unknown, _c: unknown, _b: unknown) => {}) as never;
    expect(() => withPillion(bare, { id: "orders", components })).toThrow(
      "one that streams needs stream: true",
    );
  });
});

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
