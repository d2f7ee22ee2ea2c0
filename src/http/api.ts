import { pendingWork, watch } from "../call.ts";
import type { Call, Trace } from "../contracts/host.ts";
import { configurationError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { accessBy } from "./access.ts";
import { failureOf, text } from "./answers.ts";
import type { AccessRule, ApiRequest, ApiResponse, Context, Process, Route } from "./contract.ts";
import { createCors } from "./cors.ts";
import { type ExecutionContext, fetchThrough } from "./fetch.ts";
import { invoke, unmatched } from "./invoke.ts";
import { segmentsOf } from "./path.ts";
import { INVOKE, processRoutes, routes } from "./routes.ts";
import { createTable, type Match } from "./table.ts";
import { isOpen, isSame } from "./token.ts";
import { addTrace, traceOf } from "./trace.ts";

/** 4 MiB, Dapr's default. */
const MAX_BODY = 4 << 20;

export interface ApiSettings {
  /** What `dapr-api-token` must say, except of probes. Default: the variable DAPR_API_TOKEN; without either, anyone may call. */
  readonly token?: string | undefined;
  /** With entries: only these parts of the API, and health. */
  readonly allowed?: readonly AccessRule[] | undefined;
  /** Never these parts of the API, also where they are allowed. */
  readonly denied?: readonly AccessRule[] | undefined;
  /** Origins whose pages may call: each may hold one `*`. Default: none, and no CORS headers at all. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Bytes; default 4 MiB, 0 for no limit. A larger body is malformed, as in Dapr, and never 413. */
  readonly maxBodySize?: number | undefined;
}

export interface RuntimeApiOptions extends ApiSettings {
  /** Where the API stands in a process of its own. */
  readonly process?: Process | undefined;
}

/** Dapr's HTTP API. Its members may be taken off it. */
export interface Api {
  /** Answers a request of whatever server received it; what goes wrong is an answer as well. */
  handle(request: ApiRequest): Promise<ApiResponse>;
  /** The same for servers that speak Request and Response, such as a Worker or Hono. */
  fetch(request: Request, env?: unknown, context?: unknown): Promise<Response>;
  /** Waits for work that outlives its request, and closes what the API itself opened. */
  close(): Promise<void>;
  /** The largest body in bytes, so that a server can stop reading; `Infinity` where there is no limit. */
  readonly maxBodySize: number;
}

type KeepAlive = Call["waitUntil"];

/**
 * The API on a runtime that somebody else opened and closes. Only declared components are reached, never defaults.
 * Throws `ERR_CONFIGURATION` for settings that cannot work.
 */
export function runtimeApi(runtime: Runtime, options: RuntimeApiOptions = {}): Api {
  const { onEvent } = runtime;
  const work = pendingWork(onEvent);
  const maxBodySize = limitOf(options);
  const answer = answerer(runtime, maxBodySize, options);
  const fetch = fetchThrough(maxBodySize, (request, context) => {
    const keepAlive = context?.waitUntil
      ? (work: Promise<unknown>) => context.waitUntil?.(watch(work, onEvent))
      : work.waitUntil;
    return answer(request, keepAlive);
  });
  return {
    handle: (request) => answer(request, work.waitUntil),
    fetch: (request, _env, context) => fetch(request, context as ExecutionContext | undefined),
    close: work.settled,
    maxBodySize,
  };
}

/** Infinity for none. Throws `ERR_CONFIGURATION` for what is no size. */
export function limitOf({ maxBodySize = MAX_BODY }: ApiSettings): number {
  if (Number.isInteger(maxBodySize) && maxBodySize >= 0) return maxBodySize || Infinity;
  throw configurationError(`maxBodySize must be a whole number of bytes, or 0 for no limit`);
}

/** Throws `ERR_CONFIGURATION` for a token that is set to nothing, which would let everybody in. */
export function checkToken({ token }: ApiSettings): void {
  if (token === undefined || (typeof token === "string" && token !== "")) return;
  throw configurationError(
    "the API's token is empty: leave it out to let anyone call, or look where it comes from",
  );
}

function answerer(runtime: Runtime, maxBodySize: number, options: RuntimeApiOptions) {
  checkToken(options);
  const token = options.token ?? runtime.options.host.env.DAPR_API_TOKEN;
  const isAllowed = accessBy(options.allowed, options.denied, pathsOf(everything));
  const table = createTable(allowed(options.process ? everything : routes, isAllowed));
  const invokes = isAllowed(INVOKE);
  const cors = createCors(options.allowedOrigins ?? []);
  const context: Context = {
    runtime,
    maxBodySize,
    process: options.process,
    extended: new Map(),
  };
  const posted = new Map<string, Asked>();

  return async (request: ApiRequest, keepAlive: KeepAlive): Promise<ApiResponse> => {
    let trace: Trace = {};
    let response = cors?.preflight(request);
    if (response) return response;
    try {
      const asked = look(request);
      if (asked.segments[1] !== "healthz") trace = traceOf(request);
      response = await route(request, asked, trace, keepAlive);
    } catch (error) {
      response = failureOf(error, request.signal, runtime.onEvent);
    }
    cors?.decorate(request, response.headers);
    addTrace(response.headers, trace);
    return request.method === "HEAD" ? { ...response, body: undefined } : response;
  };

  function look({ method, path }: ApiRequest): Asked {
    const known = method === "POST" ? posted.get(path) : undefined;
    return known ?? { segments: segmentsOf(path) };
  }

  function route(
    request: ApiRequest,
    asked: Asked,
    trace: Trace,
    keepAlive: KeepAlive,
  ): ApiResponse | Promise<ApiResponse> {
    if (typeof token === "string" && token !== "" && !isOpen(request.method, asked.segments)) {
      if (!isSame(request.header("dapr-api-token") ?? "", token))
        return text(401, "invalid api token");
    }
    const match = asked.match ?? find(request, asked.segments);
    if (!match) return invokes ? invoke(request) : unmatched();
    const call = new ApiCall(request, trace, keepAlive);
    return match.handler({ context, request, call, params: match.params });
  }

  function find({ method, path }: ApiRequest, segments: readonly string[]): Match | undefined {
    const match = table(method, segments);
    if (!match || method !== "POST") return match;
    if (posted.size === MOST_POSTED) posted.clear();
    posted.set(path, { segments, match });
    return match;
  }
}

/** Paths of POST that are remembered: most name a store or a topic, of which there are few, and no key. */
const MOST_POSTED = 256;

/** A path, and what it leads to where that is known. */
interface Asked {
  readonly segments: readonly string[];
  readonly match?: Match;
}

const everything: readonly Route[] = [...routes, ...processRoutes];

function pathsOf(routes: readonly Route[]): string[] {
  const paths = routes.flatMap(({ versions, path }) =>
    versions.map((version) => `${version}/${path}`),
  );
  return [...paths, INVOKE];
}

function allowed(routes: readonly Route[], isAllowed: (path: string) => boolean): Route[] {
  return routes.map((route) => {
    const versions = route.versions.filter((version) => isAllowed(`${version}/${route.path}`));
    return { ...route, versions };
  });
}

class ApiCall implements Call {
  readonly deadline = undefined;
  readonly trace: Trace;
  readonly #request: ApiRequest;
  readonly #keepAlive: KeepAlive;
  #outlives = false;

  constructor(request: ApiRequest, trace: Trace, keepAlive: KeepAlive) {
    this.#request = request;
    this.trace = trace;
    this.#keepAlive = keepAlive;
  }

  /** Work given to `waitUntil` is not to fail because the client left: from then on nothing follows it. */
  get signal(): AbortSignal | undefined {
    return this.#outlives ? undefined : this.#request.signal;
  }

  waitUntil(work: Promise<unknown>): void {
    this.#outlives = true;
    this.#keepAlive(work);
  }
}
