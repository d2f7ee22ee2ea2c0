import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { link } from "../../bindings/node/_redis-link.ts";
import type { Client } from "../../bindings/node/_redis-supply.ts";
import { callOf, failureOf } from "./_redis-beds.ts";

const silent = () => new Promise<never>(() => undefined);

/** A link on a client that is no Redis: what it does with answers is looked at alone. */
function linked() {
  let pings = 0;
  let dropped = 0;
  let client: Client | undefined;
  let hand: (client: Client) => void = () => {};
  const found = new Promise<Client>((resolve) => {
    hand = resolve;
  });
  const ping = () => {
    pings++;
    return silent();
  };
  const made = { status: "ready", ping } as unknown as Client;
  const supply = {
    ready: () => client,
    connect: () => found,
    drop: () => void dropped++,
    native: () => made,
    close() {},
  };
  const own = link(supply, { component: "store", limits: { read: 50, write: 50 }, most: 10 });
  return {
    run: <T>(work: () => Promise<T>) => own.run(callOf(), "read", work),
    connect() {
      client = made;
    },
    hand: () => hand(made),
    seen: () => ({ pings, dropped }),
  };
}

test("an answer from before a call had its connection does not speak for the one after", async () => {
  const { run, connect, hand, seen } = linked();
  const waiting = failureOf(run(silent));
  connect();
  await run(async () => "answered");
  hand();
  expect(await waiting).toMatchObject({ kind: "unavailable" });
  await expect.poll(seen).toEqual({ pings: 1, dropped: 1 });
});

test("an answer while a call waits speaks for its connection, an error too", async () => {
  const { run, connect, seen } = linked();
  connect();
  const refusal = Object.assign(new Error("ERR no"), { name: "ReplyError" });
  const waiting = failureOf(run(silent));
  await sleep(20);
  expect(await failureOf(run(() => Promise.reject(refusal)))).toMatchObject({
    message: expect.stringMatching(/ERR no/),
  });
  expect(seen()).toEqual({ pings: 0, dropped: 0 });
  expect(await waiting).toMatchObject({ kind: "unavailable" });
  await sleep(60);
  expect(seen()).toEqual({ pings: 1, dropped: 0 });
});
