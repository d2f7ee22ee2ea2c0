import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";
import { thrownBy } from "./_drive.ts";
import { publisherAt } from "./_queues-bed.ts";
import type { Entry } from "./_queues-driven-worker.ts";
import { fromWire, toWire } from "./_wire.ts";

let workers: RunningMiniflare;
const url = () => workers.urls.main as string;
const publisher = () => publisherAt(url());
const patience = { timeout: 30_000, interval: 50 };

const consumed = { consumer: "main", maxBatchSize: 10, maxBatchTimeout: 0.2, maxRetries: 10 };

beforeAll(async () => {
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_queues-driven-worker.ts` },
    folder: newFolder("miniflare"),
    queues: {
      policy: consumed,
      "policy-dead": consumed,
      buried: consumed,
      "buried-dead": consumed,
      native: { ...consumed, maxRetries: 1, deadLetterQueue: "native-dead" },
      "native-dead": consumed,
      "fan-one": consumed,
      "fan-two": consumed,
      "some-other-name": { ...consumed, binding: "RENAMED" },
      foreign: consumed,
      raw: consumed,
      stray: { ...consumed, maxRetries: 1, deadLetterQueue: "foreign" },
      bare: consumed,
    },
  });
});
afterAll(() => workers?.stop());

async function entries(): Promise<Entry[]> {
  return fromWire(await (await fetch(`${url()}/log`)).text()) as Entry[];
}

/** What was handled of a topic. */
async function handled(topic: string) {
  const found = (await entries()).filter(
    (entry) => entry.is === "handled" && entry.topic === topic,
  );
  return found as { event: Record<string, unknown>; delivery: Record<string, unknown> }[];
}

/** What became of the messages of a queue. */
async function settled(queue: string, is: "ack" | "retry") {
  const found = (await entries()).filter((entry) => entry.is === is && entry.queue === queue);
  return found as { attempt: number; body: unknown; options?: unknown }[];
}

const handledTimes = (topic: string, times: number) =>
  expect.poll(async () => (await handled(topic)).length, patience).toBe(times);

const settledTimes = (queue: string, is: "ack" | "retry", times: number) =>
  expect.poll(async () => (await settled(queue, is)).length, patience).toBe(times);

async function send(binding: string, ...args: unknown[]): Promise<void> {
  const response = await fetch(`${url()}/send/${binding}`, { method: "POST", body: toWire(args) });
  expect(await response.text()).toBe("sent");
}

const dataOf = ({ event }: { event: Record<string, unknown> }) => event.data;

describe("a batch of ten, one of which always fails", () => {
  test("under maxRetries: nine are acknowledged, one comes again later and later, and is dead-lettered as it was published", async () => {
    const numbers = Array.from({ length: 10 }, (_, n) => n);
    await publisher().publishBulk(
      "policy",
      numbers.map((n) => ({
        data: n === 4 ? { n, does: "throw" } : { n },
        cloudEvent: { id: `e-${n}`, subject: "s" },
      })),
    );
    await settledTimes("policy-dead", "ack", 1);
    const acks = await settled("policy", "ack");
    expect(acks.filter(({ attempt }) => attempt === 1)).toHaveLength(9);
    const retries = await settled("policy", "retry");
    expect(retries.map(({ attempt, options }) => [attempt, options])).toEqual([
      [1, { delaySeconds: 1 }],
      [2, { delaySeconds: 2 }],
    ]);
    const last = acks.filter(({ attempt }) => attempt === 3);
    expect(last).toHaveLength(1);
    expect(acks).toHaveLength(10);
    const [dead] = await handled("policy.dead");
    expect(dead?.event).toMatchObject({ id: "e-4", topic: "policy", subject: "s" });
    expect((await settled("policy-dead", "ack")).map(({ body }) => body)).toEqual([last[0]?.body]);
    expect(await handled("policy")).toHaveLength(12);
  });

  test("with a dead-letter topic and no policy, it is dead-lettered at its first failure, as in Dapr", async () => {
    const entry = (n: number) => ({ data: n === 4 ? { n, does: "throw" } : { n } });
    await publisher().publishBulk("buried", [...Array(10).keys()].map(entry));
    await settledTimes("buried-dead", "ack", 1);
    expect(await handled("buried")).toHaveLength(10);
    expect(await settled("buried", "ack")).toHaveLength(10);
    expect(await settled("buried", "retry")).toEqual([]);
  });

  test("with neither, it is the queue's: max_retries, then the dead_letter_queue of its consumer", async () => {
    const entry = (n: number) => ({ data: n === 4 ? { n, does: "throw" } : { n } });
    await publisher().publishBulk("native", [...Array(10).keys()].map(entry));
    await settledTimes("native-dead", "ack", 1);
    const retries = await settled("native", "retry");
    expect(retries.map(({ attempt, options }) => [attempt, options])).toEqual([
      [1, {}],
      [2, {}],
    ]);
    expect(await settled("native", "ack")).toHaveLength(9);
    expect((await handled("native.dead")).map(dataOf)).toEqual([{ n: 4, does: "throw" }]);
  });
});

test.each(["rubbish", "hang"])(
  "a handler that answers %s is a failed one, and harms no other",
  async (does) => {
    const before = (await settled("policy", "retry")).length;
    const others = (await settled("policy", "ack")).length;
    await publisher().publishBulk("policy", [{ data: { does } }, { data: "good" }]);
    await settledTimes("policy", "retry", before + 2);
    await settledTimes("policy", "ack", others + 2);
  },
);

test("a topic goes to every queue that the settings list, each message once", async () => {
  await publisher().publish("fan.out", { n: 1 });
  await handledTimes("fan.out", 2);
  const from = (await handled("fan.out")).map(
    ({ delivery }) => (delivery.metadata as { queue: string }).queue,
  );
  expect(from.sort()).toEqual(["fan-one", "fan-two"]);
});

test("a queue with a name of its own is found by the settings", async () => {
  await publisher().publish("renamed", 1);
  await handledTimes("renamed", 1);
});

describe("what another producer sent", () => {
  test("is delivered: an event as text, JSON or the default type, and nothing of another kind is lost", async () => {
    const event = { specversion: "1.0", type: "t", id: "f", source: "theirs", data: { n: 1 } };
    await send("FOREIGN", JSON.stringify(event), { contentType: "text" });
    await send("FOREIGN", event, { contentType: "json" });
    await send("FOREIGN", event);
    await send("FOREIGN", new TextEncoder().encode(JSON.stringify(event)), {
      contentType: "bytes",
    });
    await handledTimes("foreign", 4);
    for (const { event: got } of await handled("foreign")) expect(got).toMatchObject(event);
  });

  test("is its bytes where the subscription takes raw payloads", async () => {
    await send("RAW", "plain", { contentType: "text" });
    await send("RAW", new Uint8Array([0, 255]), { contentType: "bytes" });
    await handledTimes("raw", 2);
    const data = (await handled("raw")).map(dataOf) as Uint8Array[];
    expect(data.sort((a, b) => b.length - a.length)).toEqual([
      new TextEncoder().encode("plain"),
      new Uint8Array([0, 255]),
    ]);
  });
});

test("metadata and a part of a buffer arrive as they were published", async () => {
  const before = (await handled("raw")).length;
  const part = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
  await publisher().publish("raw", part, { rawPayload: true, metadata: { tenant: "ü" } });
  await publisher().publish("raw", part, { rawPayload: true });
  await handledTimes("raw", before + 2);
  const got = (await handled("raw")).slice(before);
  expect(got.map(dataOf)).toEqual([new Uint8Array([1, 2]), new Uint8Array([1, 2])]);
  const metadata = got.map(({ delivery }) => delivery.metadata as Record<string, string>);
  expect(metadata.map(({ tenant }) => tenant).sort()).toEqual([undefined, "ü"].sort());
  expect(metadata[0]).toMatchObject({ queue: "raw", timestamp: expect.stringMatching(/Z$/) });
});

describe("publishing is refused", () => {
  test("to a topic without a queue, with what to add to wrangler.toml", async () => {
    const error = await thrownBy(publisher().publish("no.where", 1));
    expect(error).toMatchObject({ code: "ERR_PUBSUB_PUBLISH_MESSAGE", kind: "config" });
    expect(error.message).toContain(`Add to wrangler.toml`);
    expect(error.message).toContain(`binding = "NO_WHERE"\n  queue = "no-where"`);
  });

  test("of more than a message takes, whose neighbours in a bulk are published", async () => {
    const before = (await handled("renamed")).length;
    const large = "x".repeat(128_000);
    expect(await thrownBy(publisher().publish("renamed", large))).toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/takes 127900 bytes in a message, and this one has 128\d\d\d/),
    });
    const error = await thrownBy(
      publisher().publishBulk("renamed", [{ data: 1 }, { data: large }, { data: 2 }]),
    );
    expect(error.message).toMatch(/1 of 3 messages were not published: 1: /);
    await handledTimes("renamed", before + 2);
  });

  test("for later than a day", async () => {
    const late = { delayInSeconds: 86_401 };
    expect(await thrownBy(publisher().publish("renamed", 1, late))).toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("86400 s"),
    });
  });
});

test("a batch of a queue that nothing is subscribed to is given back whole and told of; the queue's own rules end it", async () => {
  const before = (await handled("foreign")).length;
  const event = { specversion: "1.0", type: "t", id: "stray", source: "theirs", data: 1 };
  await send("STRAY", event);
  await handledTimes("foreign", before + 1);
  const told = (await entries()).filter(({ is }) => is === "event" || is === "retryAll");
  expect(told.filter(({ is }) => is === "retryAll")).toHaveLength(2);
  expect(told).toContainEqual({
    is: "event",
    what: expect.stringMatching(/^app shop has no subscription for queue stray: subscribe to/),
  });
});

test("a bare queue handler gets the blocks", async () => {
  const before = (await handled("foreign")).length;
  await send("BARE", 1);
  await handledTimes("foreign", before + 1);
  expect((await handled("foreign")).map(dataOf)).toContain("from a bare handler");
});
