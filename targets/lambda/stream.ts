import type { HttpEvent } from "./events.ts";
import { headersOf, isBodiless } from "./response.ts";

/** What pillion uses of Lambda's response stream, a Node writable. */
export interface ResponseStream {
  setContentType(type: string): void;
  write(chunk: string | Uint8Array): boolean;
  end(): unknown;
  once(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

/** What marks a handler for Lambda's runtime client as one that streams. */
export const streamingMark: unique symbol = Symbol.for(
  "aws.lambda.runtime.handler.streaming",
) as never;
export const highWaterMark: unique symbol = Symbol.for(
  "aws.lambda.runtime.handler.streaming.highWaterMark",
) as never;

/** Says that what follows is an HTTP answer whose status and headers come first, as JSON. */
const INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response";

/** Ends that JSON. */
const DELIMITER = "\0".repeat(8);

/**
 * Sends the answer as it is made. Rejects when its body fails, leaving the stream open: the runtime client
 * then ends it, with the error in the trailers. Destroying it, as `pipeline` does, would end the sandbox.
 */
export async function sendResponse(
  response: Response,
  http: HttpEvent,
  stream: ResponseStream,
): Promise<void> {
  const { headers, cookies } = headersOf(response);
  stream.setContentType(INTEGRATION_TYPE);
  stream.write(JSON.stringify({ statusCode: response.status, headers, cookies }) + DELIMITER);
  if (isBodiless(response, http)) response.body?.cancel().catch(() => {});
  else if (response.body) await sendBody(response.body, stream);
  stream.end();
}

async function sendBody(body: ReadableStream<Uint8Array>, stream: ResponseStream): Promise<void> {
  // The library of web types does not know that Node's streams can be iterated.
  for await (const chunk of body as unknown as AsyncIterable<unknown>) {
    // The runtime client would send anything else as JSON.
    if (!(chunk instanceof Uint8Array))
      throw new TypeError("a response body must be made of Uint8Array chunks");
    if (chunk.byteLength > 0 && !stream.write(chunk)) await drained(stream);
  }
}

function drained(stream: ResponseStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("drain", onDrain);
    stream.once("close", onClose);

    function onDrain(): void {
      stream.removeListener("close", onClose);
      resolve();
    }

    function onClose(): void {
      stream.removeListener("drain", onDrain);
      reject(new Error("the response stream closed before the body was sent"));
    }
  });
}
