import type { CloudEvent } from "../../blocks/pubsub/api.ts";
import { equal, ok, rejection } from "../assert.ts";
import { collector, exactly, type PubSubCase, until } from "./case.ts";

export const failures = {
  "what a handler failed at comes again, and everything arrives all the same": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const handled = new Set<unknown>();
      const failed = new Set<unknown>();
      // As Dapr's suite: the first two new messages fail, and then each fifth.
      await subscribe(
        orders,
        ({ data }) => {
          const fresh = !failed.has(data) && !handled.has(data);
          const met = failed.size + handled.size;
          if (fresh && (met < 2 || met % 5 === 0)) {
            failed.add(data);
            throw new Error("on purpose");
          }
          handled.add(data);
        },
        { maxRetries: 5, retryDelayMs: 100 },
      );
      for (let index = 0; index < 10; index++) await publisher.publish(orders, index);
      await until(
        () => handled.size === 10,
        () => `${handled.size} of 10 were handled`,
      );
      ok(failed.size >= 2, "some failed");
    },
  },
  "a failed message is counted and comes no sooner than the policy says": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const attempts: number[] = [];
      const times: number[] = [];
      await subscribe(
        orders,
        (_event, _blocks, { attempt }) => {
          attempts.push(attempt);
          times.push(Date.now());
          return attempt < 3 ? "RETRY" : "SUCCESS";
        },
        { maxRetries: 5, retryDelayMs: 200 },
      );
      await publisher.publish(orders, "x");
      await exactly(attempts, 3);
      equal(attempts, [1, 2, 3], "attempts");
      const [first = 0, second = 0, third = 0] = times;
      ok(second - first >= 190, `the second came after ${second - first} ms of 200`);
      ok(third - second >= 380, `the third came after ${third - second} ms of 400`);
    },
  },
  "one that always fails stops nobody, and is buried as it came once its tries are used up": {
    async run({ publisher, topic, subscribe }) {
      const [orders, poison] = [topic("orders"), topic("poison")];
      const buried: CloudEvent[] = [];
      const tries: string[] = [];
      const { seen, handler } = collector();
      await subscribe(poison, (event) => void buried.push(event));
      await subscribe(
        orders,
        (event, blocks, delivery) => {
          if (event.data !== "poisoned") return handler(event, blocks, delivery);
          tries.push(event.id);
          throw new Error("on purpose");
        },
        { maxRetries: 2, retryDelayMs: 50, deadLetterTopic: poison },
      );
      await publisher.publish(orders, "poisoned", { cloudEvent: { id: "p-1", subject: "s" } });
      for (let index = 0; index < 5; index++) await publisher.publish(orders, index);
      await exactly(buried, 1);
      await exactly(seen, 5);
      equal(tries, ["p-1", "p-1", "p-1"], "tries");
      const { id, data, subject, topic: from } = buried[0] as CloudEvent;
      equal(
        { id, data, subject, from },
        { id: "p-1", data: "poisoned", subject: "s", from: orders },
        "the dead letter",
      );
    },
  },
  "with a dead-letter topic and no policy, the first failure buries": {
    async run({ publisher, topic, subscribe }) {
      const [orders, poison] = [topic("orders"), topic("poison")];
      const buried = collector();
      const tries: unknown[] = [];
      await subscribe(poison, buried.handler);
      await subscribe(
        orders,
        ({ data }) => {
          tries.push(data);
          return data === "drop" ? "DROP" : "RETRY";
        },
        { deadLetterTopic: poison },
      );
      await publisher.publish(orders, "retry");
      await publisher.publish(orders, "drop");
      await exactly(buried.seen, 2);
      equal([...tries].sort(), ["drop", "retry"], "tries");
    },
  },
  "a dropped message is acknowledged": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const seen: unknown[] = [];
      await subscribe(orders, ({ data }) => {
        seen.push(data);
        return "DROP";
      });
      await publisher.publish(orders, 1);
      await exactly(seen, 1);
      await publisher.publish(orders, 2);
      await exactly(seen, 2);
      equal(seen, [1, 2], "each once");
    },
  },
  "a message of somebody else that is no event harms nobody": {
    async run({ publisher, topic, subscribe }) {
      const [orders, poison] = [topic("orders"), topic("poison")];
      const buried = collector();
      const { seen, handler } = collector();
      await subscribe(poison, buried.handler, { rawPayload: true });
      await subscribe(orders, handler, { deadLetterTopic: poison });
      await publisher.publish(orders, "{ no JSON", { rawPayload: true });
      await publisher.publish(orders, "[1]", { rawPayload: true });
      await publisher.publish(orders, "good");
      await exactly(seen, 1);
      await exactly(buried.seen, 2);
      equal(seen, ["good"], "handled");
      const texts = buried.seen.map((data) => new TextDecoder().decode(data as Uint8Array));
      equal(texts.sort(), ["[1]", "{ no JSON"], "buried as they came");
    },
  },
  "an unclaimed delay is refused": {
    lacks: "DELAY",
    run: ({ publisher, topic }) => refused(publisher.publish(topic("t"), 1, { delayInSeconds: 1 })),
  },
  "an unclaimed ordering key is refused": {
    lacks: "ORDERING",
    run: ({ publisher, topic }) => refused(publisher.publish(topic("t"), 1, { orderingKey: "k" })),
  },
} as const satisfies Record<string, PubSubCase>;

async function refused(work: Promise<void>): Promise<void> {
  const error = await rejection(work, "publish");
  ok("kind" in error && error.kind === "unsupported", `kind unsupported: ${error.message}`);
}
