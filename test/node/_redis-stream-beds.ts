import type { Redis } from "ioredis";
import { vi } from "vitest";
import { pubsub } from "../../bindings/node/redis.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { processHost } from "../../targets/_process/host.ts";
import type { MakePubSub } from "../conformance/pubsub.ts";
import { type RedisServer, startRedis } from "../harness/redis.ts";
import { callOf } from "./_redis-beds.ts";

export type StreamOptions = Parameters<typeof pubsub>[0];

/** A component for a suite that declares its tests before its server has started. */
export function laterStreams(options: () => StreamOptions): MakePubSub {
  return (consumerID) => ({
    ...pubsub({ redisHost: "127.0.0.1:9" }),
    open: (host, name, appId) => pubsub({ ...options(), consumerID }).open(host, name, appId),
  });
}

/** The broker itself. */
export function streamsOn(options: StreamOptions, consumerID = "shop"): PubSub {
  return pubsub({ consumerID, ...options }).open(processHost("node"), "broker");
}

/** A topic that no other test uses. */
export function newTopic(): string {
  return `t-${crypto.randomUUID()}`;
}

/** Subscribes; `seen` is what was delivered. Answers `done` where nothing else is given. */
export async function consume(
  broker: PubSub,
  topic: string,
  answer: (message: IncomingMessage) => Outcome | Promise<Outcome> = () => ({ is: "done" }),
  concurrency?: number,
) {
  const seen: IncomingMessage[] = [];
  const subscription = await broker.subscribe?.(
    {
      topic,
      metadata: {},
      concurrency,
      async deliver(message) {
        seen.push(message);
        return answer(message);
      },
    },
    callOf(),
  );
  return { seen, stop: async () => subscription?.stop() };
}

/** How many messages of the group were delivered and not acknowledged. */
export async function pending(raw: Redis, topic: string, group = "shop"): Promise<number> {
  return ((await raw.xpending(topic, group)) as [number])[0];
}

/** Polls; throws the last failure. */
export const settled = (check: () => unknown, timeout = 15_000) =>
  vi.waitFor(check, { timeout, interval: 10 });

/** A server of its own with a broker on it, both gone once `work` is done. */
export async function withServer(
  args: readonly string[],
  options: StreamOptions,
  work: (server: RedisServer, broker: PubSub) => Promise<void>,
) {
  const server = await startRedis({ args });
  const broker = streamsOn({ redisHost: server.address, ...options });
  try {
    await work(server, broker);
  } finally {
    server.thaw();
    await broker.close?.();
    await server.stop();
  }
}

/** Numbers of the connections that wait for messages. */
export async function readers(raw: Redis): Promise<string[]> {
  const list = String(await raw.client("LIST"));
  return list
    .split("\n")
    .filter((line) => /\bcmd=xreadgroup\b/.test(line))
    .map((line) => /\bid=(\d+)/.exec(line)?.[1] as string);
}
