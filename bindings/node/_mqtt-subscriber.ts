import type { MqttClient } from "mqtt";
import type { Clock, Random } from "../../src/contracts/host.ts";
import type { SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { isTruthy } from "../../src/settings.ts";
import { config } from "./_config.ts";
import { nobody } from "./_deadline.ts";
import type { Session } from "./_mqtt-attempts.ts";
import { type Connection, createConnection, explain } from "./_mqtt-connection.ts";
import { createFeed, type Entry, type Feed } from "./_mqtt-feed.ts";
import { createInbox } from "./_mqtt-inbox.ts";
import type { MqttSettings, Plan } from "./_mqtt-settings.ts";
import { filterOf, matches, problemOf } from "./_mqtt-topics.ts";
import { createTurns } from "./_mqtt-turns.ts";

export interface Subscriber {
  readonly connection: Connection;
  subscribe(request: SubscribeRequest, signal: AbortSignal | undefined): Promise<Subscription>;
  close(): Promise<void>;
}

export interface SubscriberOptions {
  readonly settings: MqttSettings;
  readonly plan: Plan;
  /** A connection that nothing keeps from being read. */
  readonly publisher: Connection;
  readonly clock: Clock;
  readonly random: Random;
  readonly component: string;
}

/** Messages that may wait for a handler; then nothing is read from the connection. */
const MOST_WAITING = 1000;
/** MQTT 5 ends a session with its connection otherwise; 3.1.1 keeps it without an end. */
const FOR_EVER_S = 0xffff_ffff;

export function createSubscriber(options: SubscriberOptions): Subscriber {
  const { settings, plan, publisher, clock, random, component } = options;
  const { cleanSession, shareGroup, attemptsTopic } = settings;
  const feeds = new Map<string, Feed>();
  let blocked: (() => void)[] = [];
  const recordTopic = `${attemptsTopic}/${encodeURIComponent(plan.clientId)}`;
  /** Subscriptions under way at the broker. */
  let joining = 0;
  let renewed = Promise.resolve();
  const inbox = createInbox({
    random,
    record: { component, topic: recordTopic, reader: () => publisher.ready(nobody), write },
    receive,
    room,
  });
  const turns = createTurns(isWanted, again);
  const connection = createConnection({
    component,
    options: {
      ...plan.options,
      clientId: plan.clientId,
      clean: cleanSession,
      ...(plan.options.protocolVersion === 5 && {
        properties: {
          receiveMaximum: MOST_WAITING,
          ...(!cleanSession && { sessionExpiryInterval: FOR_EVER_S }),
        },
      }),
    },
    made: (client) => inbox.attach(client),
  });
  return { connection, subscribe, close };

  async function subscribe(
    request: SubscribeRequest,
    signal: AbortSignal | undefined,
  ): Promise<Subscription> {
    const { topic } = request;
    const problem = problemOf(filterOf(topic));
    if (problem) throw config(component, `topic ${JSON.stringify(topic)} is no filter: ${problem}`);
    if (filterOf(topic) === recordTopic) {
      throw config(component, `topic ${topic} is where deliveries are kept: set attemptsTopic`);
    }
    if (feeds.has(topic)) {
      throw config(component, `topic ${topic} has a subscription already: join the two`);
    }
    const counts = plan.lasting && request.maxRetries !== undefined;
    const feed = createFeed(request, {
      clock,
      counts,
      turns,
      waits: () => counts && inbox.attempts.loading,
      took,
      again,
    });
    feeds.set(topic, feed);
    const name = nameAtBroker(topic);
    try {
      if (counts) await inbox.attempts.load(session, request.maxRetries === 0);
      again();
      await join(name, signal);
    } catch (error) {
      await feed.stop();
      feeds.delete(topic);
      if (feeds.size === 0) await end();
      throw explain(error, component);
    }
    // The broker keeps nothing for it while it is away.
    const drop =
      cleanSession || name.startsWith("$share/") || isTruthy(request.metadata.unsubscribeOnClose);
    let stopping: Promise<void> | undefined;
    return { stop: () => (stopping ??= leave(topic, feed, drop)) };

    async function session(): Promise<Session> {
      await ready(signal);
      return inbox.session();
    }
  }

  async function ready(signal: AbortSignal | undefined): Promise<MqttClient> {
    await renewed;
    return connection.ready({ signal, deadline: undefined });
  }

  async function join(name: string, signal: AbortSignal | undefined): Promise<void> {
    joining++;
    try {
      const client = await ready(signal);
      await client.subscribeAsync(name, { qos: plan.qos });
    } finally {
      joining--;
      if (joining === 0 && inbox.owed()) renew();
    }
  }

  /** Something came for a subscription before it was there: a new connection brings it again. */
  function renew(): void {
    const { client } = connection;
    if (!client?.connected) return;
    renewed = new Promise((resolve) => client.once("close", () => resolve()));
    client.stream.destroy();
  }

  async function leave(topic: string, feed: Feed, drop: boolean): Promise<void> {
    const { client } = connection;
    if (drop && client?.connected) {
      await client.unsubscribeAsync(nameAtBroker(topic)).catch(() => undefined);
    }
    await feed.stop();
    feeds.delete(topic);
    // The broker gives what waits to the next connection of this client id.
    if (feeds.size === 0) await end();
  }

  async function end(): Promise<void> {
    await inbox.end();
    await connection.end();
  }

  /** On the connection of the acknowledgements. */
  async function write(text: string): Promise<void> {
    const { client } = connection;
    await client?.publishAsync(recordTopic, text, { qos: 1, retain: true });
  }

  function nameAtBroker(topic: string): string {
    return shareGroup && !topic.startsWith("$share/") ? `$share/${shareGroup}/${topic}` : topic;
  }

  /** An exact topic comes before every wildcard, and of those the one that was subscribed to first. */
  function receive(entry: Entry): boolean {
    const { topic } = entry.message;
    const all = [...feeds.values()];
    const feed =
      all.find(({ filter }) => filter === topic) ??
      all.find(({ filter }) => matches(filter, topic));
    feed?.push(entry);
    return feed !== undefined;
  }

  /** Never while a message waits for the broker's answer, which lies behind what is not read. */
  function isFull(): boolean {
    let [waiting, running, claiming] = [0, 0, 0];
    for (const feed of feeds.values()) {
      waiting += feed.waiting;
      running += feed.running;
      claiming += feed.claiming;
    }
    if (waiting < MOST_WAITING) return false;
    return inbox.attempts.loading || (running > 0 && claiming === 0);
  }

  function room(): Promise<void> {
    return isFull() ? new Promise((resolve) => blocked.push(resolve)) : Promise.resolve();
  }

  function isWanted(): boolean {
    for (const { suspect } of feeds.values()) if (suspect) return true;
    return false;
  }

  function again(): void {
    for (const feed of feeds.values()) feed.next();
    took();
  }

  function took(): void {
    if (blocked.length === 0 || isFull()) return;
    for (const resolve of blocked) resolve();
    blocked = [];
  }

  async function close(): Promise<void> {
    await Promise.all([...feeds.values()].map((feed) => feed.stop()));
    feeds.clear();
    await end();
  }
}
