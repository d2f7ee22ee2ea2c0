import { equal, ok } from "../assert.ts";
import { collector, exactly, gate, type PubSubCase, pause, until } from "./case.ts";

export const lasting = {
  "what is published while no process runs is delivered to the next one": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const { seen, handler } = collector();
      for (let round = 0; round < 3; round++) {
        const subscription = await subscribe(orders, handler);
        await exactly(seen, round * 2);
        await publisher.publish(orders, `${round} live`);
        await exactly(seen, round * 2 + 1);
        await subscription.stop();
        await publisher.publish(orders, `${round} away`);
        await pause(50);
        equal(seen.length, round * 2 + 1, "deliveries once it is stopped");
        const after = await subscribe(orders, handler);
        await exactly(seen, round * 2 + 2);
        await after.stop();
      }
      equal(seen, ["0 live", "0 away", "1 live", "1 away", "2 live", "2 away"], "in all");
    },
  },
  "stopping one process leaves the messages to the other": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const [first, second] = [collector(), collector()];
      const stopped = await subscribe(orders, first.handler, { process: 1 });
      await subscribe(orders, second.handler, { process: 2 });
      await publisher.publish(orders, "before");
      await until(
        () => first.seen.length + second.seen.length === 1,
        () => "nobody got the first",
      );
      await stopped.stop();
      const had = second.seen.length;
      for (let index = 0; index < 5; index++) await publisher.publish(orders, index);
      await exactly(second.seen, had + 5);
    },
  },
  "stop waits for the handler in hand, and what waited behind it goes to the next": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const seen: unknown[] = [];
      const busy = gate();
      const subscription = await subscribe(
        orders,
        async ({ data }) => {
          seen.push(`begun ${data}`);
          await busy.opened;
          seen.push(`ended ${data}`);
        },
        { concurrency: 1 },
      );
      for (let index = 0; index < 4; index++) await publisher.publish(orders, index);
      await until(
        () => seen.length === 1,
        () => "the first was not begun",
      );
      let ended = false;
      const stopping = subscription.stop().then(() => {
        ended = true;
      });
      await pause(50);
      ok(!ended, "stop did not wait for the handler");
      busy.open();
      await stopping;
      equal(seen.length, 2, "begun and ended, and nothing new");
      await subscription.stop();
      const rest = collector();
      await subscribe(orders, rest.handler);
      await exactly(rest.seen, 3);
    },
  },
  "a delayed message comes no sooner, and does not hold up others": {
    needs: ["DELAY"],
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const { seen, handler } = collector();
      await subscribe(orders, handler);
      const start = Date.now();
      await publisher.publish(orders, "late", { delayInSeconds: 1 });
      await publisher.publish(orders, "soon");
      await exactly(seen, 2);
      equal(seen, ["soon", "late"], "the order");
      ok(Date.now() - start >= 990, `it came after ${Date.now() - start} ms of 1000`);
    },
  },
  "a message whose time is over is delivered to nobody": {
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const { seen, handler } = collector();
      await (await subscribe(orders, handler)).stop();
      await publisher.publish(orders, "short", { ttlInSeconds: 1 });
      await publisher.publish(orders, "long", { ttlInSeconds: 600 });
      await pause(2100);
      await subscribe(orders, handler);
      await exactly(seen, 1);
      equal(seen, ["long"], "delivered");
    },
  },
  "messages with one ordering key are handled in their order, also past a failure": {
    needs: ["ORDERING"],
    async run({ publisher, topic, subscribe }) {
      const orders = topic("orders");
      const handled: Record<string, number[]> = { a: [], b: [], c: [] };
      let failures = 0;
      await subscribe(
        orders,
        ({ data }) => {
          const { key, index } = data as { key: string; index: number };
          if (key === "a" && index === 1 && failures++ < 2) throw new Error("on purpose");
          handled[key]?.push(index);
        },
        { maxRetries: 5, retryDelayMs: 50, concurrency: 8 },
      );
      for (let index = 0; index < 5; index++) {
        for (const key of ["a", "b", "c"]) {
          await publisher.publish(orders, { key, index }, { orderingKey: key });
        }
      }
      const count = () => Object.values(handled).flat().length;
      await until(
        () => count() >= 15,
        () => `${count()} of 15 were handled`,
      );
      const order = [0, 1, 2, 3, 4];
      equal(handled, { a: order, b: order, c: order }, "orders");
    },
  },
} as const satisfies Record<string, PubSubCase>;
