import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pubsub } from "../../bindings/aws/eventbridge.ts";
import { type CloudEvent, type Delivery, defineApp, subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { serve } from "../../targets/lambda/index.ts";
import { type Aws, account, credentials, startAws } from "../harness/aws.ts";
import { failureOf } from "./_beds.ts";
import { absent, skipped } from "./_brokers.ts";

const context = { awsRequestId: "r-1", getRemainingTimeInMillis: () => 10_000 };

describe.skipIf(absent())(skipped("pubsub.aws.eventbridge against EventBridge"), () => {
  let server: Aws;
  beforeAll(async () => {
    server = await startAws();
    await server.sqs("CreateQueue", { QueueName: "events" });
    await server.events("CreateEventBus", { Name: "shop" });
    const rule = { Rule: "orders", EventBusName: "shop" };
    const EventPattern = JSON.stringify({ "detail-type": ["orders"] });
    await server.events("PutRule", { Name: "orders", EventBusName: "shop", EventPattern });
    const Targets = [{ Id: "q", Arn: `arn:aws:sqs:us-east-1:${account}:events` }];
    await server.events("PutTargets", { ...rule, Targets });
  });
  afterAll(() => server?.stop());

  test("what is published comes by a rule and a queue, as it was published", async () => {
    const { publish, publishBulk } = publisher();
    await publish("orders", { order: 1 }, { cloudEvent: { id: "e-1" } });
    await publishBulk("orders", [{ data: { order: 2 } }, { data: { order: 3 } }]);
    const { handler, events } = consumer();
    const bodies: string[] = [];
    while (bodies.length < 3) bodies.push(...(await received()));
    const result = await handler({ Records: [...bodies, "no event"].map(recordOf) }, context);
    expect(result).toEqual({ batchItemFailures: [{ itemIdentifier: "id-3" }] });
    const orders = events.map(([{ data }]) => (data as { order: number }).order);
    expect(orders.sort()).toEqual([1, 2, 3]);
    const [event, delivery] = events.find(([{ id }]) => id === "e-1") ?? [];
    expect(event).toMatchObject({ topic: "orders", pubsubname: "pubsub", source: "shop" });
    expect(delivery?.metadata).toMatchObject({ source: "shop", region: "us-east-1" });
  });

  function publisher() {
    const components = {
      pubsub: pubsub({ ...credentials, endpoint: server.endpoint, eventBusName: "shop" }),
    };
    const runtime = createRuntime({ id: "shop", components, host: processHost("node") });
    return runtime.blocks.pubsub("pubsub");
  }

  async function received(): Promise<string[]> {
    const input = { QueueUrl: server.url("events"), MaxNumberOfMessages: 10, WaitTimeSeconds: 1 };
    type Answer = { Messages?: { Body: string }[] };
    const { Messages = [] } = await server.sqs<Answer>("ReceiveMessage", input);
    return Messages.map(({ Body }) => Body);
  }
});

const detail = { specversion: "1.0", id: "e-9", source: "s", type: "t", data: { order: 9 } };

test("an event that calls the function is delivered, and fails the call when it is to come again", async () => {
  const { handler, events } = consumer();
  expect(await handler(bridgeEvent(detail), context)).toBeUndefined();
  expect(events).toMatchObject([
    [
      { id: "e-9", data: { order: 9 } },
      { id: "b-1", attempt: 1 },
    ],
  ]);
  const failing = handler(bridgeEvent({ ...detail, data: "fail" }), context);
  await expect(failing).rejects.toThrow("event b-1 of topic orders was not handled");
  await expect(
    handler({ ...bridgeEvent(detail), "detail-type": "bills" }, context),
  ).rejects.toThrow("serve(app) was given an EventBridge event");
});

test("an event of somebody else is its detail", async () => {
  const { handler, events } = consumer({ rawPayload: true });
  const foreign = { bucket: "photos" };
  await handler(bridgeEvent(foreign), context);
  const [event, { metadata }] = events[0] as [CloudEvent<Uint8Array>, Delivery];
  expect(JSON.parse(new TextDecoder().decode(event.data))).toEqual(foreign);
  expect(metadata).toMatchObject({ source: "somebody", time: "2026-01-01T00:00:00Z" });
});

// ministack's bus takes whatever it is given.
test("an entry that the bus refuses is told for itself", async () => {
  const Entries = [{ ErrorCode: "InternalFailure", ErrorMessage: "try again" }, { EventId: "1" }];
  const bus = createServer((request, response) => {
    request
      .resume()
      .on("end", () => response.end(JSON.stringify({ FailedEntryCount: 1, Entries })));
  });
  await new Promise<void>((resolve) => bus.listen(0, "127.0.0.1", resolve));
  try {
    const endpoint = `http://127.0.0.1:${(bus.address() as AddressInfo).port}`;
    const components = { pubsub: pubsub({ ...credentials, endpoint }) };
    const runtime = createRuntime({ id: "shop", components, host: processHost("node") });
    const { publishBulk } = runtime.blocks.pubsub("pubsub");
    const failure = await failureOf(
      publishBulk("orders", [{ data: { order: 4 } }, { data: { order: 5 } }]),
    );
    expect(failure).toMatchObject({ failures: [{ key: "0", error: { kind: "unavailable" } }] });
  } finally {
    bus.close();
  }
});

test("a payload that is no JSON object is refused", async () => {
  const components = { pubsub: pubsub({ ...credentials, endpoint: "http://127.0.0.1:9" }) };
  const runtime = createRuntime({ id: "shop", components, host: processHost("node") });
  const { publish } = runtime.blocks.pubsub("pubsub");
  for (const data of ["text", "[1]", "null"]) {
    const failure = await failureOf(publish("orders", data, { rawPayload: true }));
    expect(failure.kind).toBe("invalid");
  }
  const object = await failureOf(publish("orders", "{}", { rawPayload: true }));
  expect(object.kind).toBe("unavailable");
});

function consumer(options = {}) {
  const events: [CloudEvent, Delivery][] = [];
  const subscription = subscribe(
    "pubsub",
    "orders",
    (event, _blocks, delivery) => {
      events.push([event, delivery]);
      return event.data === "fail" ? "RETRY" : "SUCCESS";
    },
    options,
  );
  const app = defineApp({ id: "shop", subscriptions: [subscription] });
  const components = { pubsub: pubsub({ ...credentials, queueName: "events" }) };
  return { events, handler: serve(app, { components }) };
}

function bridgeEvent(detail: object) {
  const time = "2026-01-01T00:00:00Z";
  const about = { account, time, region: "us-east-1", resources: [] };
  return { version: "0", id: "b-1", "detail-type": "orders", source: "somebody", ...about, detail };
}

function recordOf(body: string, index: number) {
  return {
    messageId: `id-${index}`,
    receiptHandle: `handle-${index}`,
    body,
    attributes: { ApproximateReceiveCount: "1" },
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:us-east-1:${account}:events`,
  };
}
