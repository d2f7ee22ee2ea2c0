import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "srvx/node";
import { type App, fetchOf } from "../../src/app.ts";
import { attach } from "../../src/attach.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { TopicSubscription } from "../../src/blocks/pubsub/subscribe.ts";
import { pendingWork, RequestCall } from "../../src/call.ts";
import type { Subscription } from "../../src/contracts/pubsub.ts";
import { ApiError, configurationError } from "../../src/errors.ts";
import { answer } from "../../src/failure.ts";
import { within } from "../../src/lifecycle.ts";
import type { Runtime } from "../../src/runtime.ts";
import type { ServeOptions } from "../../src/serve.ts";
import { systemClock } from "../../src/web.ts";
import { type DeclaredSubscription, isSame } from "../_app/routes.ts";
import { subscriptionsIn } from "./declared.ts";
import { open } from "./open.ts";
import { closeOnSignals } from "./signals.ts";

export interface NodeServeOptions extends ServeOptions {
  /** Default: the variable PORT, else 3000. 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default `127.0.0.1`; `0.0.0.0` or `::` for every interface. */
  readonly hostname?: string | undefined;
  /** Close on SIGINT and SIGTERM, and end the process with code 0; a second signal ends it at once. Default true. */
  readonly signals?: boolean | undefined;
  /** Milliseconds that `close` gives requests, handlers, `waitUntil` work and calls under way before it cuts them off; default 10,000. */
  readonly drainMs?: number | undefined;
}

export interface NodeServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly runtime: Runtime;
  /** Refuses new connections, lets requests under way finish, then closes every component. */
  close(): Promise<void>;
}

/**
 * Serves an app over HTTP and consumes its subscriptions; resolves once it listens and what is published will be delivered.
 * Throws `ERR_CONFIGURATION` for an app without `fetch` and subscriptions, components that cannot work and a port in use.
 */
export async function serve(app: App, options: NodeServeOptions = {}): Promise<NodeServer> {
  const { subscriptions = [], outboxes = [] } = app;
  const declared = declaredFor(app, options);
  const fetch = fetchOf(app);
  const runtime = await open(app, options);
  const work = pendingWork(runtime.onEvent);
  const respond = (request: Request) =>
    answer(fetch, runtime.onEvent, request, process.env, contextFor(request, runtime, work));
  const listener = toNodeHandler(respond);
  // srvx types its listener for HTTP/1 and HTTP/2 at once; this server speaks the first.
  const server = process.getBuiltinModule("node:http").createServer(listener as RequestListener);
  const port = await listening();
  const cut = new AbortController();
  const subscribed = await subscribe();

  let closing: Promise<void> | undefined;
  const close = () => (closing ??= end());
  const forget = options.signals === false ? undefined : closeOnSignals(close);
  return { url: urlOf(server), port, runtime, close, [Symbol.asyncDispose]: close };

  async function listening(): Promise<number> {
    try {
      return await listen(server, portOf(options), options.hostname ?? "127.0.0.1");
    } catch (error) {
      await runtime.close();
      throw error;
    }
  }

  async function subscribe(): Promise<Subscription> {
    const live: Subscription[] = [];
    const stop = async () => void (await Promise.allSettled(live.map((one) => one.stop())));
    try {
      for (const outbox of outboxes) live.push(outbox.start(runtime));
      const all = [...subscriptions, ...(await toTopics(declared))];
      live.push(await startSubscriptions(runtime, all, cut.signal));
      return { stop };
    } catch (error) {
      void stop();
      server.close();
      await runtime.close();
      throw error;
    }
  }

  async function toTopics(declared: readonly DeclaredSubscription[]): Promise<TopicSubscription[]> {
    if (declared.length === 0) return [];
    const { eventsTo } = await import("./events.ts");
    const token = process.env.APP_API_TOKEN;
    const warn = (text: string) => {
      // Whoever listens hears of every delivery.
      if (!options.onEvent) process.emitWarning(text, "PillionWarning");
    };
    return eventsTo({ fetch: respond, url: urlOf(server), token, warn }, declared);
  }

  async function end(): Promise<void> {
    const { drainMs = 10_000 } = options;
    const until = performance.now() + drainMs;
    const left = () => Math.max(0, until - performance.now());
    const stopped = subscribed.stop();
    await Promise.all([drain(server, drainMs), within(left(), stopped, systemClock)]);
    cut.abort(new ApiError("ERR_RUNTIME_CLOSED", `app ${app.id} is ending`));
    await within(LAST_MS, stopped, systemClock);
    await within(left(), work.settled(), systemClock);
    await runtime.close(left());
    forget?.();
  }
}

/**
 * What resources subscribe the app to, but for topics that it handles in code, which come first as with Dapr. Throws
 * `ERR_CONFIGURATION` for an app that no event could be brought to.
 */
function declaredFor(
  { id, fetch, subscriptions = [] }: App,
  { components }: ServeOptions,
): readonly DeclaredSubscription[] {
  const declared = subscriptionsIn(components).filter(
    (one) => !subscriptions.some((own) => isSame(one, own)),
  );
  const [first] = declared;
  if (!first || fetch) return declared;
  throw configurationError(
    `app ${id} has no fetch, to which ${first.source} brings events: defineApp({ id, fetch: http.fetch })`,
  );
}

/** Milliseconds in which brokers are told of messages whose handlers were cut off. */
const LAST_MS = 1000;

type PendingWork = ReturnType<typeof pendingWork>;

/** The shape of Workers' execution context, which Hono hands on as `c.executionCtx`. */
function contextFor(request: Request, runtime: Runtime, { waitUntil }: PendingWork): object {
  const call = new RequestCall(request, waitUntil);
  const context = { waitUntil: call.waitUntil, passThroughOnException() {}, props: {} };
  attach(context, () => runtime.blocksFor(call));
  return context;
}

function portOf({ port }: NodeServeOptions): number {
  const wanted = port ?? Number(process.env.PORT || 3000);
  if (Number.isInteger(wanted) && wanted >= 0 && wanted <= 65_535) return wanted;
  throw configurationError(
    `port must be a whole number from 0 to 65535, not ${port ?? process.env.PORT}`,
  );
}

function listen(server: Server, port: number, hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === "EADDRINUSE"
          ? "it is in use: end whoever has it, or pass port: 0 for a free one"
          : cause.message;
      reject(configurationError(`cannot listen on port ${port} of ${hostname}: ${why}`, { cause }));
    });
    server.listen(port, hostname, () => resolve((server.address() as AddressInfo).port));
  });
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

function drain(server: Server, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), ms);
    // A kept-alive connection whose last request ends during the drain would hold it up until it times out.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    server.close(() => {
      clearTimeout(cut);
      clearInterval(sweep);
      resolve();
    });
  });
}
