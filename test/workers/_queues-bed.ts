import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { PubSubBed, Subscriber } from "../../src/conformance/index.ts";
import { messageOf } from "../../src/errors.ts";
import type { CloudEvent, Delivery, Handler, Publisher } from "../../src/index.ts";
import type { Answer, Publication, Subscribed } from "./_queues-worker.ts";
import { fromWire, toWire } from "./_wire.ts";

/** The test's end of `_queues-worker.ts`: holds its subscriptions and runs its handlers. */
export interface QueuesBed extends AsyncDisposable {
  readonly url: string;
  /** A bed for a case; `topics` are those that exist and nobody uses yet. */
  bed(publisher: Publisher, topics: Iterator<string>, queueOf: QueueOf): PubSubBed;
}

/** The queue of a topic's consumer. */
export type QueueOf = (topic: string, consumer: "a" | "b") => string;

interface Line extends Subscribed {
  /** One for each process; they take turns. */
  readonly members: Member[];
}

interface Member {
  readonly handler: Handler;
  readonly running: Set<Promise<unknown>>;
}

export async function startQueuesBed(): Promise<QueuesBed> {
  const lines = new Map<string, Line>();
  const server = createServer(async (request, response) => {
    const body = fromWire(await text(request));
    const answer = request.url === "/subscriptions" ? listed(body as string) : await deliver(body);
    response.end(toWire(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    bed: (publisher, topics, queueOf) => ({
      publisher,
      topic: () => topics.next().value,
      subscribe: async (topic, handler, options) => subscribe(topic, handler, queueOf, options),
    }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  function listed(queue: string): Subscribed[] {
    const line = lines.get(queue);
    return line && line.members.length > 0 ? [{ topic: line.topic, options: line.options }] : [];
  }

  async function deliver(body: unknown): Promise<Answer> {
    const { queue, event, delivery } = body as Delivered;
    const members = lines.get(queue)?.members ?? [];
    const member = members.shift();
    // It was stopped while the batch was on its way.
    if (!member) return { result: "RETRY" };
    members.push(member);
    const work = Promise.resolve()
      .then(() => member.handler(event, undefined as never, delivery))
      .then(
        (result): Answer => ({ result }),
        (error: unknown): Answer => ({ threw: messageOf(error) }),
      );
    member.running.add(work);
    return work.finally(() => member.running.delete(work));
  }

  function subscribe(
    topic: string,
    handler: Handler,
    queueOf: QueueOf,
    { consumer = "a", process: _, ...options }: Subscriber = {},
  ) {
    const queue = queueOf(topic, consumer);
    const line = lines.get(queue);
    const member: Member = { handler, running: new Set() };
    if (line && line.members.length > 0) line.members.push(member);
    else lines.set(queue, { topic, options, members: [member] });
    return {
      async stop() {
        const members = lines.get(queue)?.members ?? [];
        const place = members.indexOf(member);
        if (place >= 0) members.splice(place, 1);
        await Promise.all(member.running);
      },
    };
  }
}

interface Delivered {
  readonly queue: string;
  readonly event: CloudEvent;
  readonly delivery: Delivery;
}

/** The publisher of a Worker that serves `_queues-worker.ts`. */
export function publisherAt(url: string): Publisher {
  const call = async (publication: Publication) => {
    const response = await fetch(`${url}/publish`, { method: "POST", body: toWire(publication) });
    const answer = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${answer}`);
    const { error } = fromWire(answer) as { readonly error?: Error };
    if (error) throw Object.assign(new Error(error.message), error);
  };
  return {
    publish: (...args) => call({ method: "publish", args }),
    publishBulk: (...args) => call({ method: "publishBulk", args }),
    native: () => {
      throw new Error("it is in the Worker");
    },
  };
}
