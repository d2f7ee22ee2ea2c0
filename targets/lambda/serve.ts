import { type App, fetchOf } from "../../src/app.ts";
import { attach } from "../../src/attach.ts";
import { ApiError, configurationError } from "../../src/errors.ts";
import { answer, answerFailure } from "../../src/failure.ts";
import type { Runtime } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { checkConsumer, consume } from "./consume.ts";
import { defaults } from "./defaults.ts";
import { describeEvent, type HttpEvent, headerReader, httpEventOf } from "./events.ts";
import { Invocation, type LambdaContext } from "./invocation.ts";
import { lambdaRuntime } from "./open.ts";
import { toRequest } from "./request.ts";
import { type HttpResult, toResult } from "./response.ts";
import { type ResponseStream, sendResponse, streamingMark } from "./stream.ts";

export interface LambdaServeOptions extends ServeOptions {
  /**
   * Send the answer while it is made. For function URLs with `InvokeMode: RESPONSE_STREAM` and REST APIs
   * with `responseTransferMode: STREAM`; HTTP APIs and load balancers cannot stream.
   */
  readonly stream?: boolean | undefined;
}

export type HttpHandler = (event: unknown, context: LambdaContext) => Promise<HttpResult>;
export type StreamingHttpHandler = (
  event: unknown,
  stream: ResponseStream,
  context: LambdaContext,
) => Promise<void>;

/**
 * A Lambda handler that answers the HTTP events of API Gateway (REST and HTTP APIs), function URLs and load
 * balancers with the app, and gives the messages of other events to its subscriptions: it then resolves to what their
 * component tells Lambda, such as `{ batchItemFailures }`. It rejects events of anything else with `ERR_CONFIGURATION`.
 * Answers in bytes need `binaryMediaTypes` on a REST API, and nothing elsewhere.
 * Hono finds the event and the context in `c.env`, as with its own adapter, and variables beside them.
 * Throws `ERR_CONFIGURATION` for an app without `fetch` and subscriptions, for components that cannot work, and for
 * subscriptions of a handler that streams: export another one for them.
 */
export function serve(
  app: App,
  options: LambdaServeOptions & { readonly stream: true },
): StreamingHttpHandler;
export function serve(
  app: App,
  options?: LambdaServeOptions & { readonly stream?: false | undefined },
): HttpHandler;
export function serve(app: App, options?: LambdaServeOptions): HttpHandler | StreamingHttpHandler;
export function serve(
  app: App,
  options: LambdaServeOptions = {},
): HttpHandler | StreamingHttpHandler {
  const { subscriptions = [] } = app;
  const fetch = fetchOf(app);
  const runtime = lambdaRuntime(app.id, options, defaults);
  const answerTo = answerWith(fetch, runtime);
  if (subscriptions.length > 0) checkConsumer(runtime, subscriptions, options.stream);
  if (options.stream) return streamingHandler(answerTo, runtime);
  const http = bufferedHandler(answerTo, runtime);
  if (subscriptions.length === 0) return http;
  return (event: unknown, context: LambdaContext) =>
    httpEventOf(event)
      ? http(event, context)
      : // As the type says for HTTP; what Lambda wants of other events is their component's to know.
        (consume(runtime, subscriptions, event, context) as Promise<HttpResult>);
}

interface Answer {
  readonly http: HttpEvent;
  readonly response: Response;
  readonly invocation: Invocation;
}

type Answerer = (event: unknown, context: LambdaContext) => Promise<Answer>;

function answerWith(fetch: NonNullable<App["fetch"]>, runtime: Runtime): Answerer {
  const { onEvent } = runtime;
  return async (event, context) => {
    const http = httpEventOf(event);
    if (!http) throw notHttp(event);
    const invocation = new Invocation(context, headerReader(event), onEvent);
    const request = requestOf(http);
    if (request instanceof Response) return { http, response: request, invocation };
    const surroundings = executionContext(runtime, invocation);
    const environment = environmentOf(http, context);
    const response = await answer(fetch, onEvent, request, environment, surroundings);
    return { http, response, invocation };
  };
}

function bufferedHandler(answerTo: Answerer, { onEvent }: Runtime): HttpHandler {
  return async (event, context) => {
    const { http, response, invocation } = await answerTo(event, context);
    const result = await toResult(response, http).catch((error: unknown) =>
      // A body that fails half-way, which nobody has seen yet.
      toResult(answerFailure(error, onEvent), http),
    );
    await invocation.end();
    return result;
  };
}

function streamingHandler(answerTo: Answerer, { onEvent }: Runtime): StreamingHttpHandler {
  const handler: StreamingHttpHandler = async (event, stream, context) => {
    const { http, response, invocation } = await answerTo(event, context);
    try {
      await sendResponse(response, http, stream);
    } catch (error) {
      onEvent?.({ type: "handler.failed", error });
      throw error;
    } finally {
      await invocation.end();
    }
  };
  return Object.assign(handler, { [streamingMark]: "response" });
}

function requestOf(http: HttpEvent): Request | Response {
  try {
    return toRequest(http);
  } catch (cause) {
    return new ApiError(
      "ERR_MALFORMED_REQUEST",
      "the request has a malformed method, host or header",
      {
        cause,
      },
    ).getResponse();
  }
}

/** What `hono/aws-lambda` gives an app, over the variables that the other targets give it. */
function environmentOf({ event }: HttpEvent, lambdaContext: LambdaContext): object {
  return { __proto__: process.env, event, requestContext: event.requestContext, lambdaContext };
}

/** The shape of Workers' execution context, which Hono hands on as `c.executionCtx`. */
function executionContext(runtime: Runtime, call: Invocation): object {
  const context = { waitUntil: call.waitUntil, passThroughOnException() {}, props: {} };
  attach(context, () => runtime.blocksFor(call));
  return context;
}

function notHttp(event: unknown): ApiError {
  return configurationError(
    `serve(app) answers HTTP events and was given ${describeEvent(event)}: export a handler for it with withPillion(handler, { id, components })`,
  );
}
