import { Hono } from "hono";
import * as queues from "../../bindings/cloudflare/queues.ts";
import { ApiError } from "../../src/errors.ts";
import {
  defineApp,
  type Handler,
  type PillionEnv,
  pillion,
  type SubscribeOptions,
  subscribe,
} from "../../src/index.ts";
import { type QueueBatch, serve } from "../../targets/workers/index.ts";
import { fromWire, toWire } from "./_wire.ts";

/**
 * A Worker whose subscriptions are those that a test has at the moment, and whose handlers are the test's own: it asks
 * the test at BED for them with each batch, and brings it every event.
 */
const components = { pubsub: queues.pubsub({ maxRetries: 100 }) };

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/publish", async (c) => {
  const { method, args } = fromWire(await c.req.text()) as Publication;
  const publisher = c.var.blocks.pubsub("pubsub");
  try {
    await publisher[method](...(args as [string, never]));
    return c.text(toWire({}));
  } catch (error) {
    const { code, kind, status, message } = error as ApiError;
    return c.text(toWire({ error: ApiError.is(error) ? { code, kind, status, message } : error }));
  }
});

const app = { id: "conformance", fetch: http.fetch };
const { fetch: answer } = serve(defineApp(app), { components });

export default {
  fetch: answer,
  async queue(batch: QueueBatch, env: { BED: string }, context: never): Promise<void> {
    const ask = async (path: string, body: unknown) => {
      const response = await fetch(`${env.BED}${path}`, { method: "POST", body: toWire(body) });
      return fromWire(await response.text());
    };
    const found = (await ask("/subscriptions", batch.queue)) as Subscribed[];
    const forward: Handler = async (event, _blocks, delivery) => {
      const answer = (await ask("/deliveries", { queue: batch.queue, event, delivery })) as Answer;
      if ("threw" in answer) throw new Error(answer.threw);
      return answer.result as never;
    };
    const subscriptions = found.map(({ topic, options }) =>
      subscribe("pubsub", topic, forward, options),
    );
    const nobody = subscribe("pubsub", "nobody", forward);
    const { queue } = serve(
      defineApp({ ...app, subscriptions: subscriptions.length > 0 ? subscriptions : [nobody] }),
      { components, onEvent: () => undefined },
    );
    await queue?.(batch, env, context);
  },
};

export interface Publication {
  readonly method: "publish" | "publishBulk";
  readonly args: readonly unknown[];
}

/** What consumes a queue. */
export interface Subscribed {
  readonly topic: string;
  readonly options: SubscribeOptions;
}

/** What a handler of the test returned or threw. */
export type Answer = { readonly result?: unknown } | { readonly threw: string };
