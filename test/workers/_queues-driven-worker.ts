import { Hono } from "hono";
import * as queues from "../../bindings/cloudflare/queues.ts";
import type { ApiError } from "../../src/errors.ts";
import {
  defineApp,
  type Handler,
  type PillionEnv,
  pillion,
  type SubscribeOptions,
  subscribe,
} from "../../src/index.ts";
import { serve, withPillion } from "../../targets/workers/index.ts";
import { fromWire, toWire } from "./_wire.ts";

/** What happened in the Worker, in its order. */
const log: Entry[] = [];

export type Entry =
  | {
      readonly is: "handled";
      readonly topic: string;
      readonly event: unknown;
      readonly delivery: unknown;
    }
  | {
      readonly is: "ack" | "retry";
      readonly queue: string;
      readonly attempt: number;
      readonly body: unknown;
      readonly options?: unknown;
    }
  | { readonly is: "retryAll" | "event" | "wrapped"; readonly what: unknown };

/** Handles as the event's data says. */
const handlerOf =
  (topic: string): Handler =>
  async (event, _blocks, delivery) => {
    log.push({ is: "handled", topic, event, delivery });
    const { does } = (event.data ?? {}) as { readonly does?: string };
    if (topic.endsWith(".dead")) return undefined;
    if (does === "throw") throw new Error("on purpose");
    if (does === "rubbish") return { status: "rubbish" } as never;
    if (does === "hang") return new Promise<never>(() => undefined);
    return undefined;
  };

const consumed = (topic: string, options?: SubscribeOptions) =>
  subscribe("pubsub", topic, handlerOf(topic), options);

const http = new Hono<
  PillionEnv & { Bindings: Record<string, { send(...args: unknown[]): unknown }> }
>();
http.use(pillion());
http.post("/publish", async (c) => {
  const { method, args } = fromWire(await c.req.text()) as { method: "publish"; args: [string] };
  try {
    await c.var.blocks.pubsub("pubsub")[method](...args, undefined);
    return c.text(toWire({}));
  } catch (error) {
    const { code, kind, status, message } = error as ApiError;
    return c.text(toWire({ error: { code, kind, status, message } }));
  }
});
http.post("/send/:binding", async (c) => {
  await c.env[c.req.param("binding")]?.send(...(fromWire(await c.req.text()) as unknown[]));
  return c.text("sent");
});
http.get("/log", (c) => c.text(toWire(log)));

const component = queues.pubsub({
  topics: "fan.out=FAN_ONE,FAN_TWO; native.dead=NATIVE_DEAD",
  queues: "renamed=some-other-name",
  maxRetries: 10,
  processingTimeout: "1s",
});

const { fetch, queue } = serve(
  defineApp({
    id: "shop",
    fetch: http.fetch,
    subscriptions: [
      consumed("policy", { maxRetries: 2, retryDelayMs: 1000, deadLetterTopic: "policy.dead" }),
      consumed("policy.dead"),
      consumed("buried", { deadLetterTopic: "buried.dead" }),
      consumed("buried.dead"),
      consumed("native"),
      consumed("native.dead"),
      consumed("fan.out"),
      consumed("renamed"),
      consumed("foreign"),
      consumed("raw", { rawPayload: true }),
    ],
  }),
  {
    components: { pubsub: component },
    onEvent: (event) =>
      event.type === "handler.failed" &&
      log.push({ is: "event", what: String((event.error as Error).message) }),
  },
);

const bare = withPillion(
  {
    async queue(batch: Batch, _env: unknown, _context: unknown, { pubsub }) {
      log.push({ is: "wrapped", what: batch.queue });
      await pubsub("pubsub").publish("foreign", "from a bare handler");
    },
  },
  { id: "bare", components: { pubsub: component } },
);

interface Message {
  readonly attempts: number;
  readonly body: unknown;
  ack(): void;
  retry(options?: unknown): void;
}

interface Batch {
  readonly queue: string;
  readonly messages: readonly Message[];
  retryAll(): void;
}

/** The batch, noting what becomes of it. */
function noted(batch: Batch): Batch {
  const { queue } = batch;
  return {
    queue,
    messages: batch.messages.map((message) => ({
      ...message,
      id: (message as unknown as { id: string }).id,
      timestamp: (message as unknown as { timestamp: Date }).timestamp,
      body: message.body,
      attempts: message.attempts,
      ack() {
        const { attempts: attempt, body } = message;
        log.push({ is: "ack", queue, attempt, body });
        message.ack();
      },
      retry(options) {
        const { attempts: attempt, body } = message;
        log.push({ is: "retry", queue, attempt, body, options });
        message.retry(options);
      },
    })),
    retryAll() {
      log.push({ is: "retryAll", what: queue });
      batch.retryAll();
    },
  };
}

export default {
  fetch,
  queue: (batch: Batch, env: unknown, context: never): Promise<void> =>
    batch.queue === "bare"
      ? bare.queue(batch, env, context)
      : (queue?.(noted(batch), env, context) ?? Promise.reject(new Error("no handler"))),
};
