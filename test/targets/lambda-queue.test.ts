import { join } from "node:path";
import { build } from "esbuild";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import * as snsSqs from "../../bindings/aws/sns-sqs.ts";
import type { BulkEntry } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { commonHost } from "../../targets/_process/common.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type Lambda, startLambda } from "../harness/lambda.ts";
import { startSnsSqs, startSource } from "../harness/sns-sqs.ts";

const entry = join(newFolder("queue-function"), "function.mjs");
const account = "000000000000";
const patience = { timeout: 30_000, interval: 20 };

beforeAll(() =>
  build({
    entryPoints: [join(root, "test/targets/_queue-function.ts")],
    outfile: entry,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    logLevel: "warning",
  }),
);

test("of a batch of 10 with a failing handler nine are acknowledged, and one is retried with backoff and buried as it came", async () => {
  const { lambda, publish, start } = await deployed("retrying");
  const good = Array.from({ length: 9 }, (_, index) => ({ name: `good-${index}` }));
  await publish([...good.slice(0, 3), { name: "spoilt", fail: "throw" }, ...good.slice(3)]);
  const { invocations, stop } = start();
  await vi.waitFor(() => expect(seen(lambda, "poison")).toHaveLength(1), patience);
  await stop();

  const orders = seen(lambda, "order");
  const bad = orders.filter(({ name }) => name === "spoilt");
  expect(bad.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(orders.filter(({ name }) => name !== "spoilt")).toHaveLength(9);
  // The first time it alone stayed in the queue, and so did nothing of what was brought with it.
  const [first, second, third] = invocations.filter(({ bodies }) => bodies.includes("spoilt"));
  expect(first?.failed).toEqual([first?.ids.find((id) => second?.ids.includes(id))]);
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1450);
  expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(2950);
  expect(third?.failed).toEqual([]);
  expect(seen(lambda, "poison")).toMatchObject([
    { id: bad[0]?.id, topic: "orders", data: { name: "spoilt", fail: "throw" } },
  ]);
  expect(seen(lambda, "reported")).toEqual([]);
});

test("with a dead-letter topic and no policy the first failure buries", async () => {
  const { lambda, publish, start } = await deployed("burying");
  await publish([{ name: "bad", fail: "retry" }, { name: "good" }]);
  start();
  await vi.waitFor(() => expect(seen(lambda, "poison")).toHaveLength(1), patience);
  const attempts = seen(lambda, "order").map(({ name, attempt }) => `${name} ${attempt}`);
  expect(attempts.sort()).toEqual(["bad 1", "good 1"]);
});

test("without either, the queue's own redrive ends a message, envelope and all", async () => {
  const { lambda, publish, start, dead } = await deployed("plain", { visibility: 1 });
  await publish([{ name: "bad", fail: "throw" }, { name: "good" }]);
  start();
  await vi.waitFor(async () => expect(await dead()).toHaveLength(1), patience);
  const bad = seen(lambda, "order").filter(({ name }) => name === "bad");
  expect(bad.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(JSON.parse(String((await dead())[0]))).toMatchObject({ Type: "Notification" });
});

test("a handler that never returns keeps its own message alone from being acknowledged, before the time is up", async () => {
  const lambda = await started("plain", "http://127.0.0.1:9");
  const event = batch([{ name: "good" }, { name: "stuck", fail: "hang" }]);
  const { payload } = await lambda.invoke(event, { deadlineMs: 1500 });
  expect(payload).toEqual({ batchItemFailures: [{ itemIdentifier: "id-1" }] });
  const next = await lambda.invoke(batch([{ name: "next" }]));
  expect(next.payload).toEqual({ batchItemFailures: [] });
});

test("a handler's rubbish, a message that is no event and one of another topic stay in the queue", async () => {
  const lambda = await started("plain", "http://127.0.0.1:9");
  const event = batch([{ name: "odd", fail: "rubbish" }, { name: "good" }]);
  const bodies = ["no JSON", envelope("no JSON"), envelope('{"data":1}', "bills"), ""];
  event.Records.push(...bodies.map((body, index) => recordOf(body, index + 2)));
  const { payload } = await lambda.invoke(event);
  const ids = ["id-0", "id-2", "id-3", "id-4", "id-5"];
  expect(payload).toEqual({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });
});

test("what is behind a failure in its group stays in the queue with it, and other groups go on", async () => {
  const lambda = await started("ordered", "http://127.0.0.1:9");
  const { Records } = batch(
    [{ name: "a1" }, { name: "a2", fail: "throw" }, { name: "b1" }, { name: "a3" }, { name: "b2" }],
    (name) => ({ MessageGroupId: name.slice(0, 1) }),
    ".fifo",
  );
  const { payload } = await lambda.invoke({ Records });
  const failed = [{ itemIdentifier: "id-1" }, { itemIdentifier: "id-3" }];
  expect(payload).toEqual({ batchItemFailures: failed });
  const names = seen(lambda, "order").map(({ name }) => name);
  expect(names.sort()).toEqual(["a1", "a2", "b1", "b2"]);
});

test("a delay that the queue did not take is reported, and fails nothing", async () => {
  const lambda = await started("retrying", "http://127.0.0.1:9");
  const { payload } = await lambda.invoke(
    batch([{ name: "bad", fail: "throw" }, { name: "good" }]),
  );
  expect(payload).toEqual({ batchItemFailures: [{ itemIdentifier: "id-0" }] });
  expect(lambda.stdout()).toContain("seen reported ComponentError: component pubsub: no answer");
});

test("HTTP is answered beside it, and events of nothing that the app knows fail by their name", async () => {
  const lambda = await started("retrying", "http://127.0.0.1:9");
  expect(await (await fetch(lambda.url)).text()).toBe("here");
  const consuming = await started("plain", "http://127.0.0.1:9");
  expect((await fetch(consuming.url)).status).toBe(404);
  const events: [object, string][] = [
    [{ Records: [{ eventSource: "aws:s3" }] }, "was given an aws:s3 event"],
    [{ Records: [] }, "an event with the fields Records"],
    [{ Records: [{ ...recordOf("", 0), eventSourceARN: arnOf("other") }] }, "an aws:sqs event"],
    [{ Records: [null] }, "an event with the fields Records"],
    [{ "detail-type": "orders", source: "shop", detail: {} }, "an EventBridge event"],
    [[], "a list"],
  ];
  for (const [event, what] of events) {
    const { error } = await lambda.invoke(event);
    expect(error?.errorMessage).toContain(what);
    expect(error?.errorMessage).toContain("orders of pubsub, poison of pubsub");
  }
});

interface Order {
  readonly name: string;
  readonly fail?: "throw" | "hang" | "rubbish" | "retry";
}

/** A function on a queue of a broker of its own, which delivers a message three times. */
async function deployed(handler: string, { visibility = 10 } = {}) {
  const server = await startSnsSqs();
  onTestFinished(() => server.stop());
  const queue = await server.createTopics(["orders", "poison"], "shop", 3);
  const environment = { AWS_ENDPOINT_URL: server.endpoint };
  const runtime = createRuntime({
    id: "shop",
    components: { pubsub: snsSqs.pubsub({ accountID: account }) },
    host: commonHost("lambda", { env: { ...credentials, ...environment } }),
  });
  const { native, publishBulk } = runtime.blocks.pubsub("pubsub");
  const { sqs } = native<{ sqs(operation: string, input: object): Promise<object> }>();
  const Attributes = { VisibilityTimeout: String(visibility) };
  await sqs("SetQueueAttributes", { QueueUrl: queue.url, Attributes });
  const lambda = await started(handler, server.endpoint);
  return { lambda, publish, start, dead };

  async function publish(orders: readonly Order[]): Promise<void> {
    await publishBulk(
      "orders",
      orders.map((data): BulkEntry => ({ data })),
    );
  }

  /** Brings the messages from now on; tells of each invocation what it was brought and left in the queue. */
  function start() {
    const invocations: Brought[] = [];
    const { stop } = startSource(server.endpoint, queue, async (event) => {
      const { Records } = event as { Records: { messageId: string; body: string }[] };
      const at = Date.now();
      const outcome = await lambda.invoke(event);
      const { batchItemFailures } = outcome.payload as Result;
      const failed = batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
      const ids = Records.map(({ messageId }) => messageId);
      invocations.push({ at, ids, bodies: JSON.stringify(Records), failed });
      return outcome;
    });
    onTestFinished(stop);
    return { invocations, stop };
  }

  /** What the queue gave up. */
  async function dead(): Promise<string[]> {
    const QueueUrl = `${queue.url}-dead`;
    const input = { QueueUrl, VisibilityTimeout: 0, WaitTimeSeconds: 0 };
    const { Messages = [] } = (await sqs("ReceiveMessage", input)) as {
      Messages?: { Body: string }[];
    };
    return Messages.map(({ Body }) => Body);
  }
}

interface Result {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

interface Brought {
  readonly at: number;
  readonly ids: readonly string[];
  readonly bodies: string;
  readonly failed: readonly string[];
}

const credentials = {
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
};

async function started(handler: string, endpoint: string): Promise<Lambda> {
  const lambda = await startLambda({ entry, handler, env: { AWS_ENDPOINT_URL: endpoint } });
  onTestFinished(() => lambda.stop());
  return lambda;
}

/** What the function logged under a word. */
function seen(lambda: Lambda, word: string): Record<string, unknown>[] {
  const lines = lambda.stdout().matchAll(new RegExp(`seen ${word} (.*)`, "g"));
  return [...lines].map(([, json]) => JSON.parse(String(json)) as Record<string, unknown>);
}

function batch(
  orders: readonly Order[],
  attributes: (name: string) => object = () => ({}),
  end = "",
) {
  const Records = orders.map((data, index) => {
    const event = { specversion: "1.0", id: `e-${index}`, source: "s", type: "t", data };
    const body = envelope(JSON.stringify(event), `orders${end}`);
    return recordOf(body, index, attributes(data.name), `shop${end}`);
  });
  return { Records };
}

function envelope(Message: string, topic = "orders"): string {
  const TopicArn = `arn:aws:sns:us-east-1:${account}:${topic}`;
  return JSON.stringify({ Type: "Notification", MessageId: "m", TopicArn, Message });
}

function recordOf(body: string, index: number, attributes: object = {}, queue = "shop") {
  return {
    messageId: `id-${index}`,
    receiptHandle: `handle-${index}`,
    body,
    attributes: { ApproximateReceiveCount: "1", ...attributes },
    eventSource: "aws:sqs",
    eventSourceARN: arnOf(queue),
    awsRegion: "us-east-1",
  };
}

function arnOf(queue: string): string {
  return `arn:aws:sqs:us-east-1:${account}:${queue}`;
}
