import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { outbox } from "../../src/blocks/outbox/outbox.ts";
import { inbox } from "../../src/blocks/pubsub/inbox.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { pubSub, type SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { type Handler, subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";
import type { DynamoDB } from "../harness/dynamodb.ts";
import { absent, component, emulators, startUnlessAbsent } from "./_beds.ts";

describe.each(emulators)("DynamoDB, which lists no keys without a scan: %s", (emulator) => {
  const reason = absent(emulator);
  let server: DynamoDB;
  beforeAll(async () => {
    server = (await startUnlessAbsent(emulator)) as DynamoDB;
    await server?.createTable("orders", { ttl: "expires" });
  });
  afterAll(() => server?.stop());

  function bed(id: string) {
    const got: string[] = [];
    let request: SubscribeRequest | undefined;
    const broker = { away: false, got, deliver: (message: never) => request?.deliver(message) };
    const pubsub = pubSub({
      type: "pubsub.manual",
      runsOn: ["node"],
      fields: {},
      features: () => [],
      open: () => ({
        async publish(_topic, { data }) {
          if (broker.away) throw new ComponentError("unavailable", "the broker is away");
          got.push(JSON.parse(data as string).data);
        },
        async subscribe(asked) {
          request = asked;
          return { stop: async () => undefined };
        },
        native: () => undefined,
      }),
    })({});
    const { endpoint } = server;
    const options = { table: "orders", ttlAttributeName: "expires" };
    const clock = virtualClock();
    const runtime = createRuntime({
      id,
      components: { pubsub, statestore: component("light", endpoint, options) },
      host: processHost("node", { clock }),
    });
    return { runtime, broker, clock };
  }

  const to = { operation: "publish", pubsub: "pubsub", topic: "out" } as const;
  const settled = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

  test.skipIf(reason)(
    `what was left is found and published, and the places are free again${reason ? ` (skipped: ${reason})` : ""}`,
    async () => {
      const { runtime, broker, clock } = bed(`left-${emulator}`);
      await using _ = runtime;
      const { blocks } = runtime;
      const orders = outbox();
      broker.away = true;
      for (const n of [1, 2, 3]) {
        await orders.transaction(blocks, [
          { operation: "upsert", key: `k${n}`, value: n },
          { ...to, data: `e${n}` },
        ]);
      }
      broker.away = false;
      clock.advance(10_000);
      await settled(async () => {
        await orders.relay(blocks);
        expect([...broker.got].sort()).toEqual(["e1", "e2", "e3"]);
      });
      clock.advance(60_000);
      await orders.relay(blocks);
      expect(broker.got).toHaveLength(3);
      expect(await blocks.state("statestore").get("k3")).toBe(3);
    },
    60_000,
  );

  test.skipIf(reason)("an idempotent handler's transaction is done once", async () => {
    const { runtime, broker } = bed(`once-${emulator}`);
    await using _ = runtime;
    const writing: Handler = (event, { state }) =>
      state("statestore").transaction([
        { operation: "upsert", key: `by-${event.attempt}`, value: 1 },
        { operation: "upsert", key: "last", value: event.attempt },
      ]);
    await startSubscriptions(runtime, [
      subscribe("pubsub", "in", writing, { idempotent: inbox() }),
    ]);
    const outcomes = await Promise.all(
      [1, 2, 3].map((attempt) => {
        const event = { id: "same", specversion: "1.0", source: "s", type: "t", attempt };
        const message = { id: "m", topic: "in", metadata: {}, attempt: 1 };
        return broker.deliver({ ...message, data: JSON.stringify(event) } as never);
      }),
    );
    // A transaction that meets another may be told to come again.
    expect(outcomes.map((outcome) => outcome?.is)).toContain("done");
    const found = await runtime.blocks.state("statestore").getBulk(["by-1", "by-2", "by-3"]);
    expect(found.filter(({ value }) => value === 1)).toHaveLength(1);
  });
});
