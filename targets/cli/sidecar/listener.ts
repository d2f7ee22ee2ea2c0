import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ApiRequest, ApiResponse } from "../../../src/http/index.ts";
import { readBody } from "./body.ts";

export type Handle = (request: ApiRequest) => ApiResponse | Promise<ApiResponse>;

/** What was asked and what was answered, for metrics and logs. */
export interface Served {
  readonly request: ApiRequest;
  readonly status: number;
  /** Of the body that was sent. */
  readonly bytes: number;
  readonly durationMs: number;
}

export interface ListenerOptions {
  readonly handle: Handle;
  /** Bytes that a body may have. */
  readonly maxBodySize: number;
  /** Whether connections end with the answers that are under way. */
  readonly ending: () => boolean;
  readonly onServed?: ((served: Served) => void) | undefined;
  /** Told of an error that `handle` should have answered. */
  readonly onError: (error: unknown) => void;
}

/** How long a client may go on sending a body that nobody reads. */
const UNREAD_MS = 1000;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Node's requests, answered by `handle`, each in one write. `continues` is for clients that ask before they send a body. */
export function createListener(options: ListenerOptions): { plain: Listener; continues: Listener } {
  const { handle, onServed, onError } = options;
  return {
    plain: (message, response) => void serve(message, response, false),
    continues: (message, response) => void serve(message, response, true),
  };

  async function serve(message: IncomingMessage, response: ServerResponse, asks: boolean) {
    const connection = connectionOf(message.socket);
    connection.latest = message;
    const started = onServed && performance.now();
    const request = new NodeRequest(connection, message, response, options.maxBodySize, asks);
    let answer: ApiResponse;
    let bytes: number;
    try {
      answer = await handle(request);
      bytes = send(request, answer);
    } catch (error) {
      onError(error);
      answer = internalError;
      bytes = send(request, answer);
    }
    onServed?.({
      request,
      status: answer.status,
      bytes,
      durationMs: performance.now() - (started as number),
    });
  }

  function send(request: NodeRequest, answer: ApiResponse): number {
    const { connection, message, response } = request;
    request.answered();
    if (response.destroyed) return 0;
    // Not before the last that its client has sent: Node would drop the answers behind it.
    if (options.ending() && connection.latest === message) response.shouldKeepAlive = false;
    const bytes = write(response, answer);
    if (!message.complete) cutLate(message);
    return bytes;
  }
}

interface Connection {
  /** For clients that send several without waiting. */
  latest: IncomingMessage | undefined;
  /**
   * Of the requests under way, mostly one. A listener on every response would take 2 to 5 µs of the 40 of a request, and a
   * Set's tables would keep what was in them until V8 collects its old objects.
   */
  readonly following: AbortController[];
}

const connections = new WeakMap<Socket, Connection>();

function connectionOf(socket: Socket): Connection {
  const known = connections.get(socket);
  if (known) return known;
  const following: AbortController[] = [];
  const connection: Connection = { latest: undefined, following };
  connections.set(socket, connection);
  socket.once("close", () => {
    for (const controller of following) controller.abort(left());
  });
  return connection;
}

function left(): DOMException {
  return new DOMException("the client left", "AbortError");
}

const internalError: ApiResponse = {
  status: 500,
  headers: { "content-type": "application/json" },
  body: '{"errorCode":"ERROR","message":"internal error"}',
};

function write(response: ServerResponse, { status, headers, body }: ApiResponse): number {
  const list: string[] = [];
  for (const name in headers) list.push(name, headers[name] as string);
  if (body === undefined) {
    // 204 and 304 have no length, and the answer to HEAD has that of a body which stays away.
    const lengthless = status === 204 || status === 304 || response.req.method === "HEAD";
    if (!lengthless) list.push("content-length", "0");
    response.writeHead(status, list).end();
    return 0;
  }
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
  list.push("content-length", String(bytes));
  response.writeHead(status, list).end(body);
  return bytes;
}

/** The answer is out before the body is in: its client reads the answer, and is then cut off where it sends on and on. */
function cutLate(message: IncomingMessage): void {
  message.resume();
  const { socket } = message;
  const timer = setTimeout(() => socket.destroy(), UNREAD_MS);
  const done = () => clearTimeout(timer);
  message.once("end", done).once("close", done);
}

/** A class, and everything but the target read when it is asked for: one is made for every request. */
class NodeRequest implements ApiRequest {
  readonly connection: Connection;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: string;
  /** Its client waits for leave to send the body. Without it, Node ends the connection with the answer. */
  #asks: boolean;
  readonly #limit: number;
  #leaving: AbortController | undefined;

  constructor(
    connection: Connection,
    message: IncomingMessage,
    response: ServerResponse,
    limit: number,
    asks: boolean,
  ) {
    this.connection = connection;
    this.message = message;
    this.response = response;
    this.#asks = asks;
    this.#limit = limit;
    const url = pathOf(message.url as string);
    const at = url.indexOf("?");
    this.path = at < 0 ? url : url.slice(0, at);
    this.query = at < 0 ? "" : url.slice(at + 1);
  }

  get method(): string {
    return this.message.method as string;
  }

  /** Read from the list of headers: to fold all of them takes longer than to look for a few. */
  header(name: string): string | undefined {
    const { rawHeaders } = this.message;
    let found: string | undefined;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const given = rawHeaders[at] as string;
      if (given.length !== name.length || given.toLowerCase() !== name) continue;
      const value = rawHeaders[at + 1] as string;
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  body(): Promise<Uint8Array> {
    if (this.#asks) this.response.writeContinue();
    this.#asks = false;
    return readBody(this.message, this.#limit);
  }

  get signal(): AbortSignal {
    this.#leaving ??= this.#follow();
    return this.#leaving.signal;
  }

  #follow(): AbortController {
    const controller = new AbortController();
    if (this.message.socket.destroyed) controller.abort(left());
    else this.connection.following.push(controller);
    return controller;
  }

  /** From now on its signal means nothing any more. */
  answered(): void {
    if (!this.#leaving) return;
    const { following } = this.connection;
    const at = following.indexOf(this.#leaving);
    if (at >= 0) following.splice(at, 1);
  }
}

/** A proxy asks for the whole address, of which the path alone counts. */
function pathOf(url: string): string {
  if (url.startsWith("/")) return url;
  return /^\w+:\/\/[^/?]*([\s\S]*)$/.exec(url)?.[1] || "/";
}
