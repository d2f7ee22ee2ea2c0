import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import type { OutgoingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import type { ComponentError } from "../../src/errors.ts";
import { explain, isDemoted, isLost, isUnsent } from "./_redis-failures.ts";
import { link } from "./_redis-link.ts";
import { planOf } from "./_redis-settings.ts";
import { toFields } from "./_redis-stream-entry.ts";
import {
  type StreamSettings,
  type streamFields,
  streamSettings,
} from "./_redis-stream-settings.ts";
import { createSubscriber } from "./_redis-stream-subscriber.ts";
import { type Client, lent, supply, verify } from "./_redis-supply.ts";

/** Messages in one pipeline of a bulk. */
const MOST_IN_BULK = 250;

/** Publishes and subscribes on one server, a cluster, or a master that sentinels watch. */
export function redisStreams(
  given: Settings<typeof streamFields> & { readonly consumerID: string },
  host: Host,
  name: string,
): PubSub {
  const settings = streamSettings(given, name);
  const { client, readTimeout, writeTimeout, processingTimeout } = settings;
  const silenceMs = Math.max(readTimeout, writeTimeout);
  const ordinary = link(
    client
      ? lent(client as Client)
      : supply(settings, planOf(settings, name, silenceMs), host, name),
    {
      component: name,
      limits: { read: readTimeout, write: writeTimeout },
      most: settings.maxPendingCalls,
    },
  );
  const subscriber = createSubscriber(settings, host, name, ordinary);
  const trim = trimming(settings, host);

  return {
    processingTimeout,
    concurrency: settings.concurrency,
    maxBulkMessages: MOST_IN_BULK,
    init: (call) => ordinary.run(call, "read", (redis) => verify(redis, name)),

    async publish(topic, message, call) {
      const words = [...trim(), "*", ...toFields(message)];
      await ordinary.run(call, "write", (redis) => redis.xadd(topic, ...words));
    },

    async publishBulk(topic, messages, call) {
      const errors = await ordinary.run(call, "write", (redis) =>
        addAll(redis, topic, trim(), messages),
      );
      return errors.map((error) => error && (explain(error, name, "write") as ComponentError));
    },

    subscribe: (request, call) => subscriber.subscribe(request, call),
    native: () => ordinary.native(),

    async close() {
      await subscriber.close();
      ordinary.close();
    },
  };
}

/** Words of XADD that take old messages away, about: whole nodes of the stream, which costs the server next to nothing. */
function trimming({ maxLenApprox, streamTTL }: StreamSettings, { clock }: Host): () => string[] {
  if (maxLenApprox > 0) return () => ["MAXLEN", "~", String(maxLenApprox)];
  // As Dapr writes it: the whole millisecond is kept.
  if (streamTTL > 0) return () => ["MINID", "~", `${clock.now() - streamTTL}-1`];
  return () => [];
}

/** Why each was not added, in their order. Throws what is true of all, for the link to judge. */
async function addAll(
  redis: Client,
  topic: string,
  trim: readonly string[],
  messages: readonly OutgoingMessage[],
): Promise<(Error | undefined)[]> {
  const pipeline = redis.pipeline();
  for (const message of messages) pipeline.xadd(topic, ...trim, "*", ...toFields(message));
  const results = (await pipeline.exec()) ?? [];
  const errors = messages.map((_, index) => results[index]?.[0] ?? undefined);
  const [first] = errors;
  const ofAll = isUnsent(first) || isLost(first) || isDemoted(first);
  if (ofAll && errors.every((error) => error?.message === first?.message)) throw first;
  return errors;
}
