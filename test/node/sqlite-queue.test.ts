import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, test } from "vitest";
import {
  type Claim,
  type Ended,
  openQueue,
  type Queue,
} from "../../bindings/node/_sqlite-queue-store.ts";
import { prepare } from "../../bindings/node/_sqlite-queue-table.ts";
import type { Call } from "../../src/contracts/host.ts";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { type VirtualClock, virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";

// The tables of pubsub.sqlite, at times that a test sets.
const call: Call = {
  signal: undefined,
  deadline: undefined,
  trace: {},
  waitUntil: () => undefined,
};
const TIMEOUT = 10_000;
/** Longer than a lease. */
const LAPSED = 20_000;

let clock: VirtualClock;
let queue: Queue;
let raw: DatabaseSync;

beforeEach(() => {
  const connectionString = join(newFolder("queue"), "queue.db");
  clock = virtualClock();
  const settings = {
    connectionString,
    busyTimeout: 2000,
    disableWAL: false,
    processingTimeout: TIMEOUT,
    redeliverInterval: 1000,
  };
  queue = openQueue(settings, processHost("node", { clock }), "queue");
  raw = queue.native();
});

const count = (table: "messages" | "deliveries") =>
  raw.prepare(`SELECT count(*) AS n FROM pubsub_${table}`).get()?.n;
const publish = (topic: string, data: string, more: Partial<OutgoingMessage> = {}) =>
  queue.publish(topic, [{ data, metadata: {}, ...more }], call);

async function claim(group: number, wanted = 10): Promise<readonly Claim[]> {
  return (await queue.exchange(group, [], wanted, call)).claims;
}

function tell(group: number, claims: readonly Claim[], outcome: Ended["outcome"]) {
  const ended = claims.map((claim) => ({ claim, outcome }));
  return queue.exchange(group, ended, 0, call);
}

async function texts(group: number, claims: readonly Claim[]): Promise<string[]> {
  const messages = await Promise.all(claims.map((claim) => queue.read(group, claim, call)));
  return messages.map((message) =>
    message ? `${message.data as string} ${message.attempt}` : "lost",
  );
}

const done = { is: "done" } as const;

describe("a lease", () => {
  test("is nobody else's until it ends, and then counts as a delivery", async () => {
    const group = await queue.join("t", "a", call);
    await publish("t", "m");
    const first = await claim(group);
    expect(await texts(group, first)).toEqual(["m 1"]);
    clock.advance(TIMEOUT);
    expect(await claim(group)).toEqual([]);
    clock.advance(LAPSED);
    expect(await texts(group, await claim(group))).toEqual(["m 2"]);
    expect(await texts(group, first)).toEqual(["lost"]);
  });

  test("that was lost acknowledges and returns nothing of whoever has it now", async () => {
    const group = await queue.join("t", "a", call);
    await publish("t", "m");
    const late = await claim(group);
    clock.advance(LAPSED);
    const now = await claim(group);
    for (const outcome of [done, { is: "retry", delay: 0 }, { is: "back" }] as const) {
      await tell(group, late, outcome);
      expect(await texts(group, now)).toEqual(["m 2"]);
    }
    expect(await claim(group)).toEqual([]);
    await tell(group, now, done);
    expect(count("messages")).toBe(0);
  });

  test("that ended and went to nobody still acknowledges", async () => {
    const group = await queue.join("t", "a", call);
    await publish("t", "m");
    const late = await claim(group);
    clock.advance(LAPSED);
    await tell(group, late, done);
    expect(await claim(group)).toEqual([]);
    expect(count("messages")).toBe(0);
  });

  test("that is given back is no try, and keeps the message's place", async () => {
    const group = await queue.join("t", "a", call);
    for (const data of ["1", "2"]) {
      await publish("t", data);
      clock.advance(1);
    }
    await tell(group, await claim(group, 1), { is: "back" });
    expect(await texts(group, await claim(group))).toEqual(["1 1", "2 1"]);
  });
});

test("a message comes again after its delay, or the component's own, and others before", async () => {
  const group = await queue.join("t", "a", call);
  await publish("t", "own");
  await publish("t", "asked");
  const [own, asked] = (await claim(group)) as [Claim, Claim];
  await tell(group, [own], { is: "retry" });
  const { due } = await tell(group, [asked], { is: "retry", delay: 400 });
  expect(due).toBe(clock.now() + 400);
  await publish("t", "other");
  expect(await texts(group, await claim(group))).toEqual(["other 1"]);
  clock.advance(400);
  expect(await texts(group, await claim(group))).toEqual(["asked 2"]);
  clock.advance(599);
  expect(await claim(group)).toEqual([]);
  clock.advance(1);
  expect(await texts(group, await claim(group))).toEqual(["own 2"]);
});

test("every group that there is gets a message, and it goes with the last that is done", async () => {
  const [a, b] = [await queue.join("t", "a", call), await queue.join("t", "b", call)];
  expect(await queue.join("t", "a", call)).toBe(a);
  await publish("t", "m");
  const late = await queue.join("t", "c", call);
  expect(await claim(late)).toEqual([]);
  await tell(a, await claim(a), done);
  expect(count("messages")).toBe(1);
  await tell(b, await claim(b), done);
  expect(count("messages")).toBe(0);
});

test("what is for no group is kept nowhere", async () => {
  await publish("t", "m");
  expect(count("messages")).toBe(0);
});

test("a topic that ends in * stands for longer ones, letter by letter", async () => {
  const group = await queue.join("a_%*", "a", call);
  for (const topic of ["a_%x", "a_%", "A_%x", "ab%x", "a_x"]) await publish(topic, topic);
  expect(await texts(group, await claim(group))).toEqual(["a_%x 1"]);
  const every = await queue.join("*", "a", call);
  await publish("ä🐎", "any");
  expect(await texts(every, await claim(every))).toEqual(["any 1"]);
});

describe("messages with one key", () => {
  test("are claimed one after the other, also past one that comes again, and others pass", async () => {
    const group = await queue.join("t", "a", call);
    const orderingKey = "k";
    await publish("t", "1", { orderingKey });
    await publish("t", "2", { orderingKey });
    await publish("t", "other", { orderingKey: "l" });
    const first = await claim(group);
    expect(await texts(group, first)).toEqual(["1 1", "other 1"]);
    await tell(group, first.slice(0, 1), { is: "retry", delay: 100 });
    expect(await claim(group)).toEqual([]);
    clock.advance(100);
    const again = await claim(group);
    expect(await texts(group, again)).toEqual(["1 2"]);
    await tell(group, again, done);
    const second = await claim(group);
    expect(await texts(group, second)).toEqual(["2 1"]);
    await tell(group, second, done);
    await publish("t", "3", { orderingKey });
    expect(await texts(group, await claim(group))).toEqual(["3 1"]);
  });

  test("go on past one whose time is over", async () => {
    const group = await queue.join("t", "a", call);
    await publish("t", "short", { orderingKey: "k", ttl: 1000 });
    await publish("t", "next", { orderingKey: "k" });
    clock.advance(1000);
    expect(await texts(group, await claim(group))).toEqual(["next 1"]);
  });
});

describe("a message whose time is over", () => {
  test("is delivered to nobody and removed, also when its lease has ended", async () => {
    const group = await queue.join("t", "a", call);
    await publish("t", "short", { ttl: 5000 });
    await publish("t", "long", { ttl: 500_000 });
    expect(await texts(group, await claim(group))).toEqual(["short 1", "long 1"]);
    clock.advance(LAPSED);
    expect(await texts(group, await claim(group))).toEqual(["long 2"]);
    expect(count("messages")).toBe(1);
  });

  test("is removed by whoever publishes where nobody consumes", async () => {
    await queue.join("t", "a", call);
    for (let index = 0; index < 5; index++) await publish("t", "short", { ttl: 1000 });
    await publish("t", "late", { ttl: 1000, delay: 60_000 });
    expect(count("messages")).toBe(6);
    clock.advance(2000);
    await publish("elsewhere", "m");
    expect(count("messages")).toBe(0);
  });
});

test("a group that is dropped takes with it what waits for it alone", async () => {
  const [a, b] = [await queue.join("t", "a", call), await queue.join("t", "b", call)];
  await publish("t", "both", { orderingKey: "k" });
  await tell(b, await claim(b), done);
  await publish("t", "still b's", { orderingKey: "k" });
  expect(count("messages")).toBe(2);
  // As any client of SQLite can.
  raw.prepare("DELETE FROM pubsub_groups WHERE consumer = ? AND topic = ?").run("a", "t");
  expect([count("messages"), count("deliveries")]).toEqual([1, 1]);
  expect(await queue.join("t", "a", call)).not.toBe(a);
  expect(await texts(b, await claim(b))).toEqual(["still b's 1"]);
});

test("no statement of a claim or a publish goes through all that waits", async () => {
  await queue.join("t", "a", call);
  const { groups, ...statements } = prepare(raw);
  for (const [name, { sourceSQL }] of Object.entries(statements)) {
    const plan = raw.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all();
    const steps = plan.map(({ detail }) => String(detail)).join("; ");
    expect(steps, name).not.toMatch(/SCAN pubsub_|TEMP B-TREE/);
  }
  // The control: that of the groups, which are few, does.
  const plan = raw.prepare(`EXPLAIN QUERY PLAN ${groups.sourceSQL}`).all();
  expect(plan.map(({ detail }) => detail).join("; ")).toMatch(/SCAN pubsub_groups/);
});

test("waits for a held file no longer than its call lasts", async () => {
  const holder = new DatabaseSync(raw.location() as string);
  holder.exec("BEGIN IMMEDIATE");
  const ending = { ...call, deadline: clock.now() };
  const failed = queue.publish("t", [{ data: "m", metadata: {} }], ending);
  // The clock stands still: whoever waits here waits for ever.
  await expect(failed).rejects.toMatchObject({ kind: "unavailable" });
});

test("a commit is on the disk when it is acknowledged", () => {
  expect(raw.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
});
