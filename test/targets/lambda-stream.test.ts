import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { serve } from "../../targets/lambda/index.ts";
import { functionUrl } from "./_lambda-events.ts";

const context = { awsRequestId: "r", getRemainingTimeInMillis: () => 1000 };

test("a full stream stops the app from being read until it has drained", async () => {
  const stream = fullStream();
  const made: number[] = [];
  const answered = serve(countingApp(made), { stream: true })(functionUrl, stream, context);
  await settled();
  expect(stream.written.slice(1)).toEqual(["0"]);
  // One chunk is on its way and one is what the app's own queue holds.
  expect(made.length).toBeLessThanOrEqual(3);
  stream.emit("drain");
  await settled();
  expect(stream.written.slice(1)).toEqual(["0", "1"]);
  stream.full = false;
  stream.emit("drain");
  await answered;
  expect(stream.written.slice(1).join("")).toBe("0123456789");
  expect(stream.ended).toBe(true);
  expect(stream.eventNames()).toEqual([]);
});

test("a stream that closes instead fails the invocation, and the app's body is cancelled", async () => {
  const stream = fullStream();
  let cancelled = false;
  const app = countingApp([], () => {
    cancelled = true;
  });
  const answered = serve(app, { stream: true })(functionUrl, stream, context);
  await settled();
  stream.emit("close");
  await expect(answered).rejects.toThrow("the response stream closed before the body was sent");
  expect(cancelled).toBe(true);
  expect(stream.ended).toBe(false);
});

function countingApp(made: number[], cancel?: () => void) {
  const body = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        if (made.length === 10) return controller.close();
        controller.enqueue(new TextEncoder().encode(String(made.length)));
        made.push(made.length);
      },
      cancel,
    });
  return { id: "stream", fetch: () => new Response(body()) };
}

/** Takes everything and says after each chunk that it was too much, as long as it is full. */
function fullStream() {
  const stream = Object.assign(new EventEmitter(), {
    full: true,
    ended: false,
    written: [] as string[],
    setContentType() {},
    write(chunk: string | Uint8Array) {
      stream.written.push(Buffer.from(chunk as string).toString());
      return !stream.full;
    },
    end() {
      stream.ended = true;
    },
  });
  return stream;
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
