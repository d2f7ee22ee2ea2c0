import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { ApiError } from "../../../../src/errors.ts";
import {
  type AppAnswer,
  type AppClient,
  type AppRequest,
  absolute,
  MAX_ANSWER,
  tokenHeader,
  tooLong,
} from "../../../_app/client.ts";
import type { AppOptions } from "../options.ts";
import { createGate } from "./gate.ts";

const http = process.getBuiltinModule("node:http");

/** The way to an app beside the sidecar. A call waits for its turn, where the app has a limit. */
export interface ChannelClient extends AppClient {
  /** The same way for calls that wait no longer than `limitMs` for their turn, and then throw `ERR_RUNTIME_CLOSED`. */
  within(limitMs: number | undefined): AppClient;
  /** Whether the app says within `timeoutMs` that it is healthy. No turn, and no token. */
  isHealthy(path: string, timeoutMs: number): Promise<boolean>;
  /** Ends the calls under way. Later ones throw `ERR_RUNTIME_CLOSED`. */
  close(): void;
}

export interface ClientOptions extends Pick<AppOptions, "address" | "port" | "maxConcurrency"> {
  readonly secure: boolean;
  /** Sent with every call, for the app to know its sidecar by. */
  readonly token: string | undefined;
}

type Start = (
  options: RequestOptions & { readonly rejectUnauthorized?: boolean },
  answered: (response: IncomingMessage) => void,
) => ClientRequest;

/**
 * How soon a connection ends, in milliseconds, that the app had closed before it could read what was sent last; and how many
 * turns of the loop have looked for it by then at least, since a busy machine takes its time between them.
 */
const UNREAD_MS = 10;
const UNREAD_TURNS = 3;

/** Calls over kept-alive connections. Certificates are not looked at, as in Dapr: the app is on the same machine. */
export function createClient(options: ClientOptions): ChannelClient {
  const { address, port, secure, token, maxConcurrency } = options;
  const [start, agent] = secure ? overTls() : overHttp();
  const gate = createGate(maxConcurrency);
  const target = { host: address, port, rejectUnauthorized: false };
  const own = tokenHeader(token);
  let closed = false;
  return {
    call: (request, signal) => call(request, signal),
    within: (limitMs) => ({ call: (request, signal) => call(request, signal, limitMs) }),
    async isHealthy(path, timeoutMs) {
      const probe = { method: "GET", path, headers: {} } as const;
      const answer = await once(probe, AbortSignal.timeout(timeoutMs)).catch(() => undefined);
      return answer !== undefined && answer.status >= 200 && answer.status < 300;
    },
    close() {
      closed = true;
      agent.destroy();
    },
  };

  async function call(
    request: AppRequest,
    signal: AbortSignal,
    limitMs?: number,
  ): Promise<AppAnswer> {
    const leave = await gate.enter(signal, limitMs);
    try {
      if (closed) throw new ApiError("ERR_RUNTIME_CLOSED", "the sidecar calls its app no more");
      return await exchange({ ...request, headers: { ...request.headers, ...own } }, signal);
    } finally {
      leave();
    }
  }

  /** The app may close a connection just when it is used again: that the app has not read, and only that is sent again. */
  async function exchange(request: AppRequest, signal: AbortSignal): Promise<AppAnswer> {
    try {
      return await once(request, signal);
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
      return await once(request, signal, false);
    }
  }

  function once(request: AppRequest, signal: AbortSignal, pooled = true): Promise<AppAnswer> {
    const { method, path, headers, body } = request;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const isFresh = ageNow();
    let known = 0;
    return new Promise((resolve, reject) => {
      const sent = start(
        {
          ...target,
          ...{ method, path: absolute(path), signal },
          headers: { ...headers, ...length },
          agent: pooled ? agent : false,
        },
        (response) => collect(response).then(resolve, reject),
      );
      sent.on("socket", ({ bytesRead }) => (known = bytesRead));
      sent.on("error", (error: NodeJS.ErrnoException) => {
        if (signal.aborted) return reject(signal.reason);
        // Once closed, it was the sidecar that ended the connection.
        const unread =
          isFresh() && !closed && sent.reusedSocket && sent.socket?.bytesRead === known;
        const ended = /^(ECONNRESET|EPIPE)$/.test(error.code ?? "");
        reject(unread && ended ? new Stale(error.message) : error);
      });
      // Node would write the headers before a string as UTF-8, which they are already.
      sent.end(typeof body === "string" ? Buffer.from(body) : body);
    });
  }
}

/** Whether what began just now can still be unread. */
function ageNow(): () => boolean {
  const began = performance.now();
  let turns = 0;
  const turn = () => void (++turns < UNREAD_TURNS && setImmediate(turn));
  setImmediate(turn);
  return () => turns < UNREAD_TURNS || performance.now() - began < UNREAD_MS;
}

/** A connection that had been used before was at its end when it was used again. */
class Stale extends Error {}

function overHttp(): [Start, Agent] {
  return [http.request, new http.Agent({ keepAlive: true })];
}

function overTls(): [Start, Agent] {
  const https = process.getBuiltinModule("node:https");
  return [https.request, new https.Agent({ keepAlive: true })];
}

function collect(response: IncomingMessage): Promise<AppAnswer> {
  const status = response.statusCode as number;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response
      .on("data", (chunk: Buffer) => {
        size += chunk.byteLength;
        if (size <= MAX_ANSWER) return void chunks.push(chunk);
        response.destroy();
        reject(tooLong());
      })
      .on("error", reject)
      .on("end", () => resolve({ status, body: Buffer.concat(chunks) }));
  });
}
