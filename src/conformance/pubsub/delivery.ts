import type { CloudEvent } from "../../blocks/pubsub/api.ts";
import { equal, ok } from "../assert.ts";
import { collector, exactly, gate, type PubSubCase, until } from "./case.ts";

export const delivery = {
  "an event arrives as it was published, with Dapr's attributes": {
    async run({ publisher, topic, subscribe }) {
      const events: CloudEvent[] = [];
      const orders = topic("orders");
      await subscribe(orders, (event) => void events.push(event));
      await publisher.publish(orders, { id: 7, text: "üñí ✓ 🐎" });
      await exactly(events, 1);
      const event = events[0] as CloudEvent;
      equal(event.data, { id: 7, text: "üñí ✓ 🐎" }, "data");
      equal(event.topic, orders, "topic");
      equal(event.specversion, "1.0", "specversion");
      equal(event.datacontenttype, "application/json", "datacontenttype");
      ok(typeof event.id === "string" && event.id !== "", "an id");
    },
  },
  "text, bytes and 100 kB come back as they were": {
    async run({ publisher, topic, subscribe }) {
      const { seen, handler } = collector();
      const orders = topic("orders");
      await subscribe(orders, handler);
      const every = Uint8Array.from({ length: 256 }, (_, index) => index);
      const long = "0123456789".repeat(10_000);
      for (const [index, data] of ["plain", "", every, long].entries()) {
        await publisher.publish(orders, data);
        await exactly(seen, index + 1);
        equal(seen[index], data, `data ${index}`);
      }
    },
  },
  "a raw payload is delivered as its bytes, with no event around it": {
    async run({ publisher, topic, subscribe }) {
      const { seen, handler } = collector();
      const orders = topic("orders");
      await subscribe(orders, handler, { rawPayload: true });
      const bytes = new TextEncoder().encode("no JSON, {");
      await publisher.publish(orders, bytes, { rawPayload: true });
      await exactly(seen, 1);
      equal(seen[0], bytes, "bytes");
    },
  },
  "a bulk of 250 arrives whole": {
    async run({ publisher, topic, subscribe }) {
      const { seen, handler } = collector();
      const orders = topic("orders");
      await subscribe(orders, handler);
      const numbers = Array.from({ length: 250 }, (_, index) => index);
      await publisher.publishBulk(
        orders,
        numbers.map((data) => ({ data, entryId: `entry-${data}` })),
      );
      await exactly(seen, 250);
      equal(
        [...seen].sort((a, b) => Number(a) - Number(b)),
        numbers,
        "data",
      );
    },
  },
  "two handlers of one process get their own topic's messages, each once": {
    async run({ publisher, topic, subscribe }) {
      const [orders, bills] = [topic("orders"), topic("bills")];
      const [first, second] = [collector(), collector()];
      await subscribe(orders, first.handler);
      await subscribe(bills, second.handler);
      for (let index = 0; index < 10; index++) {
        await publisher.publish(orders, `order ${index}`);
        await publisher.publish(bills, `bill ${index}`);
      }
      await exactly(first.seen, 10);
      await exactly(second.seen, 10);
      ok(
        first.seen.every((data) => String(data).startsWith("order")),
        "orders only",
      );
      ok(
        second.seen.every((data) => String(data).startsWith("bill")),
        "bills only",
      );
    },
  },
  "every consumer gets every message": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const [first, second] = [collector(), collector()];
      await subscribe(orders, first.handler, { consumer: "a" });
      await subscribe(orders, second.handler, { consumer: "b" });
      for (let index = 0; index < 10; index++) await publisher.publish(orders, index);
      await exactly(first.seen, 10);
      await exactly(second.seen, 10);
    },
  },
  "two processes of one consumer share the messages": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const { seen, handler } = collector();
      await subscribe(orders, handler, { process: 1 });
      await subscribe(orders, handler, { process: 2 });
      for (let index = 0; index < 20; index++) await publisher.publish(orders, index);
      await exactly(seen, 20);
      equal(new Set(seen).size, 20, "different messages");
    },
  },
  "a handler that is busy does not stop the others": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const seen: unknown[] = [];
      const slow = gate();
      await subscribe(
        orders,
        async ({ data }) => {
          if (data === "slow") await slow.opened;
          seen.push(data);
        },
        { concurrency: 4 },
      );
      await publisher.publish(orders, "slow");
      for (let index = 0; index < 5; index++) await publisher.publish(orders, index);
      await until(
        () => seen.length === 5,
        () => `${seen.length} of 5 passed the slow one`,
      );
      slow.open();
      await exactly(seen, 6);
      equal(seen[5], "slow", "the slow one");
    },
  },
  "no more handlers run at a time than the subscription says": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const { seen, handler } = collector();
      let [running, most] = [0, 0];
      const first = gate();
      await subscribe(
        orders,
        async (event, blocks, delivery) => {
          running++;
          most = Math.max(most, running);
          if (most === 1) await first.opened;
          handler(event, blocks, delivery);
          running--;
        },
        { concurrency: 2 },
      );
      for (let index = 0; index < 10; index++) await publisher.publish(orders, index);
      await until(
        () => most === 2,
        () => "two never ran at a time",
      );
      first.open();
      await exactly(seen, 10);
      equal(most, 2, "at a time");
    },
  },
  "a filter gets the topics that it matches, each under its own name": {
    needs: ["SUBSCRIBE_WILDCARDS"],
    async run({ publisher, wildcard, topic, subscribe }) {
      ok(wildcard, "the bed has a filter");
      const { filter, inside, outside } = wildcard(topic("orders"));
      const events: CloudEvent[] = [];
      await subscribe(filter, (event) => void events.push(event));
      await publisher.publish(outside, "outside");
      await publisher.publish(inside, "inside");
      await exactly(events, 1);
      equal(events[0]?.topic, inside, "topic");
      equal(events[0]?.data, "inside", "data");
    },
  },
} as const satisfies Record<string, PubSubCase>;
