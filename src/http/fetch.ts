import type { ApiRequest, ApiResponse } from "./contract.ts";

/** The part of a platform's execution context that is used. */
export interface ExecutionContext {
  waitUntil?(work: Promise<unknown>): void;
}

type Answer = (request: ApiRequest, context: ExecutionContext | undefined) => Promise<ApiResponse>;

/** Request in, Response out; bodies are read no further than to `limit` bytes. */
export function fetchThrough(limit: number, answer: Answer) {
  return async (request: Request, context: ExecutionContext | undefined): Promise<Response> => {
    const { status, headers, body } = await answer(new FetchedRequest(request, limit), context);
    return new Response((body as BodyInit | undefined) ?? null, { status, headers });
  };
}

class FetchedRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly #request: Request;
  readonly #limit: number;

  constructor(request: Request, limit: number) {
    const { method, url } = request;
    this.method = method;
    const start = url.indexOf("/", url.indexOf("//") + 2);
    const hash = url.indexOf("#", start);
    const end = hash < 0 ? url.length : hash;
    const mark = url.indexOf("?", start);
    const queryAt = mark < 0 || mark > end ? end : mark;
    this.path = url.slice(start, queryAt);
    this.query = url.slice(queryAt + 1, end);
    this.#request = request;
    this.#limit = limit;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }

  async body(): Promise<Uint8Array> {
    const request = this.#request;
    // With a length that was checked nobody sends more than there may be.
    if (this.#limit === Infinity || request.headers.has("content-length") || !request.body)
      return new Uint8Array(await request.arrayBuffer());
    return readTo(this.#limit, request.body);
  }
}

/** One byte more than the limit at least, where there is that much: enough to tell. */
async function readTo(limit: number, stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
    if (size <= limit) continue;
    reader.cancel().catch(() => undefined);
    break;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
