import type { Call, Host } from "../../src/contracts/host.ts";
import type { SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { graceOf } from "../_lease.ts";
import { config } from "./_config.ts";
import { nobody } from "./_deadline.ts";
import { isReply } from "./_redis-failures.ts";
import type { Link } from "./_redis-link.ts";
import { copyOf, planOf } from "./_redis-settings.ts";
import { groupOf, type Membership } from "./_redis-stream-group.ts";
import { createLine } from "./_redis-stream-line.ts";
import { createReader, type Reader } from "./_redis-stream-reader.ts";
import type { StreamSettings } from "./_redis-stream-settings.ts";
import { type Client, supply } from "./_redis-supply.ts";

export interface Subscriber {
  subscribe(request: SubscribeRequest, call: Call): Promise<Subscription>;
  close(): Promise<void>;
}

/** A read that cannot be interrupted ends by itself after so long. */
const SHORT_BLOCK_MS = 500;

export function createSubscriber(
  settings: StreamSettings,
  host: Host,
  component: string,
  link: Link,
): Subscriber {
  const { consumerID, processingTimeout, redeliverInterval } = settings;
  const membership: Membership = {
    link,
    group: consumerID,
    // Of this process alone, where Dapr has the group's name for all: the server then knows whose a message is, and a
    // process that looks for its own does not get a living one's.
    consumer: `${consumerID}-${host.random.uuid()}`,
    // Others wait a little longer than a handler may take, so that the process that gives up can still say what is to be.
    lease: processingTimeout + graceOf(processingTimeout),
  };
  /** By topic, from the first step of subscribing until it has stopped. */
  const live = new Map<string, Live>();
  let shared: Reader | undefined;
  let closed = false;

  return {
    async subscribe(request, call) {
      const { topic } = request;
      const earlier = live.get(topic);
      if (earlier?.stopping) await earlier.stopping;
      if (live.has(topic)) throw config(component, `topic ${topic} is subscribed to already`);
      if (closed) throw over();
      const own: Live = { stop: async () => void live.delete(topic), stopping: undefined };
      live.set(topic, own);
      try {
        await start(request, call, own);
      } catch (error) {
        live.delete(topic);
        throw error;
      }
      return { stop: () => own.stop() };
    },
    async close() {
      closed = true;
      await Promise.all([...live.values()].map((one) => one.stop()));
      shared?.close();
    },
  };

  async function start(request: SubscribeRequest, call: Call, own: Live): Promise<void> {
    const { topic, concurrency = settings.concurrency } = request;
    const group = groupOf(topic, membership);
    await group.ensure(call);
    const reader = await readerFor(call);
    if (closed) throw over();
    const { lease } = membership;
    const freed = () => reader.nudge(line);
    const line = createLine(request, { group, lease, concurrency, redeliverInterval, freed });
    reader.add(line);
    line.begin();
    own.stop = () => (own.stopping ??= end());

    async function end(): Promise<void> {
      line.halt();
      await reader.remove(line);
      await line.finish();
      if (reader !== shared) reader.close();
      live.delete(topic);
    }
  }

  /** One for all topics where its reads can be interrupted, for a topic that comes or has room again; else one each. */
  async function readerFor(call: Call): Promise<Reader> {
    if (shared) return shared;
    if (await link.run(call, "read", canUnblock)) return (shared ??= read(unblock));
    return read(undefined);
  }

  function read(interrupt: typeof unblock | undefined): Reader {
    const { client, readTimeout, queueDepth } = settings;
    const blockMs = interrupt ? readTimeout : Math.min(readTimeout, SHORT_BLOCK_MS);
    const plan = client
      ? copyOf(client as Client)
      : planOf(settings, component, blockMs + readTimeout);
    return createReader({
      supply: supply(settings, plan, host, component),
      clock: host.clock,
      group: consumerID,
      consumer: membership.consumer,
      depth: queueDepth,
      blockMs,
      answerMs: readTimeout,
      unblock: interrupt,
    });
  }

  async function unblock(id: number): Promise<boolean> {
    return (await link.run(nobody, "read", (redis) => redis.client("UNBLOCK", id))) === 1;
  }

  function over(): ComponentError {
    return new ComponentError("unavailable", `component ${component} is closed`);
  }
}

/** `stopping` is there once it stops. */
interface Live extends Subscription {
  stop(): Promise<void>;
  stopping: Promise<void> | undefined;
}

/** Not in a cluster, where a connection's number is one server's own, nor for a user that may not. */
async function canUnblock(redis: Client): Promise<boolean> {
  if (redis.isCluster) return false;
  try {
    await redis.client("UNBLOCK", 0);
    return true;
  } catch (error) {
    if (isReply(error)) return false;
    throw error;
  }
}
