import { expect, test, vi } from "vitest";
import * as memory from "../../bindings/memory.ts";
import { defineApp, subscribe } from "../../src/index.ts";
import { serve } from "../../targets/node/index.ts";

const components = () => ({ pubsub: memory.pubsub({}) });

test("a served app consumes what it publishes once it listens, and close waits for a handler", async () => {
  let finish = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const seen: string[] = [];
  const app = defineApp({
    id: "shop",
    subscriptions: [
      subscribe<{ id: string }>("pubsub", "orders", async ({ data }) => {
        seen.push(`begun ${data.id}`);
        await held;
        seen.push(`ended ${data.id}`);
      }),
    ],
  });
  const server = await serve(app, { port: 0, signals: false, components: components() });
  expect((await fetch(server.url)).status).toBe(404);
  await server.runtime.blocks.pubsub("pubsub").publish("orders", { id: "o-1" });
  await vi.waitFor(() => expect(seen).toEqual(["begun o-1"]));
  const closed = server.close().then(() => seen.push("closed"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(seen).toEqual(["begun o-1"]);
  finish();
  await closed;
  expect(seen).toEqual(["begun o-1", "ended o-1", "closed"]);
});

test("a subscription that cannot work fails the start by its name", async () => {
  const app = defineApp({
    id: "shop",
    subscriptions: [subscribe("other", "orders", () => undefined)],
  });
  const start = serve(app, { port: 0, signals: false, components: components() });
  await expect(start).rejects.toThrow(
    "cannot subscribe to topic orders of other: pubsub other is not found",
  );
});
