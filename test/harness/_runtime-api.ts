import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What Lambda reports of a function that failed. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}

export interface Prelude {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
}

export interface Streamed {
  readonly contentType: string;
  /** Status and headers, where the content type announces them. */
  readonly prelude: Prelude | undefined;
  /** As they arrived, the prelude among them. */
  readonly chunks: readonly Buffer[];
  /** Without the prelude. */
  readonly body: Buffer;
}

export interface Outcome {
  /** What the handler returned. */
  readonly payload?: unknown;
  readonly error?: FunctionError;
  readonly streamed?: Streamed;
}

export interface InvokeOptions {
  /** Milliseconds that the invocation gets; default 10,000. */
  readonly deadlineMs?: number;
  /** Told of the chunks of a streamed answer as they arrive. */
  readonly onChunk?: (chunk: Buffer, contentType: string) => void;
}

export interface RuntimeApi {
  /** `host:port`, for AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Resolves when the runtime asks for its first invocation; rejects when it reports that it cannot start. */
  readonly ready: Promise<void>;
  invoke(event: unknown, options?: InvokeOptions): Promise<Outcome>;
  /** Ends everything under way with `error`, and everything to come. */
  fail(error: FunctionError): void;
  close(): Promise<void>;
}

interface Pending {
  readonly id: string;
  readonly event: string;
  readonly options: InvokeOptions;
  settle(outcome: Outcome): void;
}

const root = "/2018-06-01/runtime";
const streamType = "application/vnd.awslambda.http-integration-response";

/** Lambda's Runtime API on a free loopback port, for one sandbox. */
export async function createRuntimeApi(): Promise<RuntimeApi> {
  const waiting: Pending[] = [];
  const pollers: ServerResponse[] = [];
  const running = new Map<string, Pending>();
  const started = deferred();
  let gone: FunctionError | undefined;

  const server = createServer((request, response) => {
    route(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    ready: started.done,
    invoke,
    fail,
    async close() {
      fail({ errorType: "Sandbox.Stopped", errorMessage: "the sandbox was stopped" });
      server.close();
      server.closeAllConnections();
    },
  };

  function invoke(event: unknown, options: InvokeOptions = {}): Promise<Outcome> {
    if (gone) return Promise.resolve({ error: gone });
    return new Promise((resolve) => {
      const pending: Pending = { id: randomUUID(), event: JSON.stringify(event), options, settle };
      waiting.push(pending);
      dispatch();

      function settle(outcome: Outcome): void {
        running.delete(pending.id);
        resolve(outcome);
      }
    });
  }

  function fail(error: FunctionError): void {
    gone ??= error;
    started.reject(new Error(`${error.errorType}: ${error.errorMessage}`));
    for (const pending of [...waiting.splice(0), ...running.values()]) pending.settle({ error });
  }

  function dispatch(): void {
    while (waiting.length > 0 && pollers.length > 0)
      hand(waiting.shift() as Pending, pollers.shift() as ServerResponse);
  }

  function hand(pending: Pending, response: ServerResponse): void {
    const { id, options } = pending;
    const { deadlineMs = 10_000 } = options;
    running.set(id, pending);
    response.writeHead(200, {
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": id,
      "lambda-runtime-deadline-ms": String(Date.now() + deadlineMs),
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:local",
      "lambda-runtime-trace-id": "Root=1-00000000-000000000000000000000000;Sampled=0",
    });
    response.end(pending.event);
    const errorMessage = `Task timed out after ${(deadlineMs / 1000).toFixed(2)} seconds`;
    setTimeout(() => {
      // As on AWS, a sandbox that timed out takes no other invocation.
      if (running.has(id)) fail({ errorType: "Sandbox.Timedout", errorMessage });
    }, deadlineMs).unref();
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (path === `${root}/invocation/next`) return poll(response);
    if (path === `${root}/init/error`) {
      fail(JSON.parse((await bytesOf(request)).toString()) as FunctionError);
      return accept(response);
    }
    const [, id = "", kind] = /\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const pending = running.get(decodeURIComponent(id));
    if (!pending || !kind) {
      request.resume();
      response.writeHead(kind ? 403 : 404).end("{}");
      return;
    }
    pending.settle(
      kind === "error"
        ? { error: await errorOf(request) }
        : await answerOf(request, pending.options),
    );
    accept(response);
  }

  function poll(response: ServerResponse): void {
    started.resolve();
    pollers.push(response);
    response.on("close", () => {
      const index = pollers.indexOf(response);
      if (index >= 0) pollers.splice(index, 1);
    });
    dispatch();
  }
}

/** Lambda's limit for an answer that is not streamed, in bytes. */
const MAX_ANSWER = 6_291_556;

function deferred() {
  let resolve = (): void => {};
  let reject = (_error: Error): void => {};
  const done = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  done.catch(() => {});
  return { done, resolve, reject };
}

function accept(response: ServerResponse): void {
  response.writeHead(202, { "content-type": "application/json" }).end('{"status":"OK"}');
}

async function errorOf(request: IncomingMessage): Promise<FunctionError> {
  return JSON.parse((await bytesOf(request)).toString()) as FunctionError;
}

async function answerOf(request: IncomingMessage, { onChunk }: InvokeOptions): Promise<Outcome> {
  if (request.headers["lambda-runtime-function-response-mode"] !== "streaming") {
    const bytes = await bytesOf(request);
    if (bytes.byteLength <= MAX_ANSWER) return { payload: JSON.parse(bytes.toString()) as unknown };
    const errorMessage = `Response payload size exceeded maximum allowed payload size (${MAX_ANSWER} bytes).`;
    return { error: { errorType: "Function.ResponseSizeTooLarge", errorMessage } };
  }
  const contentType = request.headers["content-type"] ?? "";
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    onChunk?.(chunk, contentType);
  }
  const { prelude, body } = split(Buffer.concat(chunks), contentType);
  const trailer = request.trailers["lambda-runtime-function-error-body"];
  const error = trailer && {
    error: JSON.parse(Buffer.from(trailer, "base64").toString()) as FunctionError,
  };
  return { streamed: { contentType, prelude, chunks, body }, ...error };
}

/** Takes the prelude off a streamed answer; undefined as long as it is not there as a whole. */
export function split(
  bytes: Buffer,
  contentType: string,
): { prelude: Prelude | undefined; body: Buffer } {
  const end = contentType === streamType ? bytes.indexOf(Buffer.alloc(8)) : -1;
  if (end < 0) return { prelude: undefined, body: bytes };
  return {
    prelude: JSON.parse(bytes.subarray(0, end).toString()) as Prelude,
    body: bytes.subarray(end + 8),
  };
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
