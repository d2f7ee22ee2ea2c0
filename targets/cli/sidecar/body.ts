import type { IncomingMessage } from "node:http";

const empty = new Uint8Array(0);

/** The whole body of a request. Rejects once it is larger than `limit` bytes, and when its client leaves in the middle. */
export function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  // A stream that is done will emit nothing: the body is empty, or somebody has read it.
  if (request.readableEnded) return Promise.resolve(empty);
  if (request.destroyed) return Promise.reject(left());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const collect = (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= limit) return void chunks.push(chunk);
      // Whatever else comes is thrown away, for as long as the answer takes.
      request.off("data", collect).resume();
      reject(new Error(`it is larger than ${limit} bytes`));
    };
    request
      .on("data", collect)
      .on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
      .on("error", () => reject(left()));
  });
}

function left(): Error {
  return new Error("its client left in the middle of it");
}
