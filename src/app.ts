import type { Outbox } from "./blocks/outbox/outbox.ts";
import type { TopicSubscription } from "./blocks/pubsub/subscribe.ts";
import { configurationError } from "./errors.ts";

/** A portable app: no platform in it. Give it to the `serve` of a target. */
export interface App {
  /** Dapr's app id: part of every stored key. */
  readonly id: string;
  /** Answers HTTP requests, such as `new Hono().fetch`. */
  readonly fetch?: FetchHandler;
  /** What it consumes, each made by `subscribe`; at most one per topic of a pub/sub component. */
  readonly subscriptions?: readonly TopicSubscription[];
  /** What it commits events with, each made by `outbox`; a Node process publishes what an earlier one left. */
  readonly outboxes?: readonly Outbox[];
}

/** `context` is the platform's execution context on Workers and one of the same shape elsewhere. */
export type FetchHandler = (
  request: Request,
  // biome-ignore lint/suspicious/noExplicitAny: an app declares its own environment and context.
  ...platform: any[]
) => Response | Promise<Response>;

/** Checks an app and gives it back. Throws `ERR_CONFIGURATION` for an id that cannot be part of a key. */
export function defineApp(app: App): App {
  checkAppId(app.id);
  return app;
}

/** The app's `fetch`; one that finds nothing for an app that only consumes. Throws `ERR_CONFIGURATION` where that is no function. */
export function fetchOf({ id, fetch, subscriptions }: App): FetchHandler {
  if (typeof fetch === "function") return fetch;
  if (!fetch && subscriptions?.length) return () => new Response(null, { status: 404 });
  throw configurationError(`app ${id} has no fetch: defineApp({ id, fetch: http.fetch })`);
}

export function checkAppId(id: string): void {
  if (typeof id !== "string" || id === "" || id.includes("||")) {
    throw configurationError(
      `an app needs an id without "||", not ${JSON.stringify(id)}: defineApp({ id: "orders" })`,
    );
  }
}
