import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { type Handler, type SubscribeOptions, subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { commonHost } from "../../targets/_process/common.ts";
import { processHost } from "../../targets/_process/host.ts";
import { type Aws, account, startAws } from "../harness/aws.ts";
import { consume as pull } from "../node/_broker.ts";
import { failureOf } from "./_beds.ts";
import { absent, broker, skipped } from "./_brokers.ts";

type Options = Parameters<typeof broker>[1];

const patience = { timeout: 30_000, interval: 20 };
const quick = { messageWaitTimeSeconds: 1, messageVisibilityTimeout: 1 };
let names = 0;
const fresh = (word: string) => `${word}-${++names}`;

describe.skipIf(absent())(skipped("pubsub.aws.snssqs against SNS and SQS"), () => {
  let server: Aws;
  beforeAll(async () => {
    server = await startAws();
  });
  afterAll(() => server?.stop());

  describe("what a process makes", () => {
    test("is Dapr's: names, tags, policy, subscription and redrive", async () => {
      const app = fresh("my.shop");
      const queue = app.replace(".", "");
      const letters = fresh("letters");
      const options = { sqsDeadLettersQueueName: letters, messageReceiveLimit: 7 };
      await consume(app, "new orders!", () => undefined, options);
      expect(await attributes(queue)).toMatchObject({
        RedrivePolicy: {
          deadLetterTargetArn: queueArn(letters),
          maxReceiveCount: "7",
        },
        Policy: {
          Version: "2012-10-17",
          Statement: [statement(queue, "neworders")],
        },
      });
      const tags = await server.sqs("ListQueueTags", { QueueUrl: server.url(queue) });
      expect(tags).toMatchObject({ Tags: { "dapr-queue-name": queue } });
      const arn = topicArn("neworders");
      expect(await server.sns("ListTagsForResource", { ResourceArn: arn })).toMatch(
        /<Key>dapr-topic-name<\/Key><Value>neworders<\/Value>/,
      );
      const subscribed = await server.sns("ListSubscriptionsByTopic", { TopicArn: arn });
      expect(subscribed).toContain(`<Endpoint>${queueArn(queue)}</Endpoint>`);
    });

    test("leaves what others wrote in the queue's policy, and is made once", async () => {
      const app = fresh("shop");
      const [first, second] = [fresh("a"), fresh("b")];
      await server.sqs("CreateQueue", { QueueName: app });
      const Statement = [{ Sid: "theirs", Effect: "Deny", Principal: "*", Action: "sqs:Purge*" }];
      const Attributes = { Policy: JSON.stringify({ Version: "2012-10-17", Statement }) };
      await server.sqs("SetQueueAttributes", { QueueUrl: server.url(app), Attributes });
      await consume(app, first, () => undefined);
      await consume(app, second, () => undefined);
      await consume(app, first, () => undefined);
      const { Policy } = await attributes(app);
      const all = [...Statement, statement(app, first), statement(app, second)];
      expect(Policy).toEqual({ Version: "2012-10-17", Statement: all });
    });

    test("is nothing with disableEntityManagement: what is missing is named, and what is there serves", async () => {
      const app = fresh("shop");
      const topic = fresh("orders");
      const off = { disableEntityManagement: true };
      const seen: unknown[] = [];
      const start = () => consume(app, topic, ({ data }) => void seen.push(data), off);
      await expect(start()).rejects.toThrow(`the topic ${topic} does not exist`);
      await server.sns("CreateTopic", { Name: topic });
      await expect(start()).rejects.toThrow(`the queue ${app} does not exist`);
      await server.sqs("CreateQueue", { QueueName: app });
      await expect(start()).rejects.toThrow(`topic ${topic} does not go to the queue ${app}`);
      const subscription = { Protocol: "sqs", Endpoint: queueArn(app) };
      // Others of the topic come before it, which Dapr takes for the only ones.
      await server.sqs("CreateQueue", { QueueName: `${app}-x` });
      const first = { ...subscription, Endpoint: queueArn(`${app}-x`) };
      await server.sns("Subscribe", { TopicArn: topicArn(topic), ...first });
      await server.sns("Subscribe", { TopicArn: topicArn(topic), ...subscription });
      const Policy = JSON.stringify({ Statement: [statement(app, topic)] });
      const Attributes = { Policy };
      await server.sqs("SetQueueAttributes", { QueueUrl: server.url(app), Attributes });
      await start();
      await publisher(off).publish(topic, "here");
      await vi.waitFor(() => expect(seen).toEqual(["here"]), patience);
    });

    test("is nothing in a function: a topic that is missing is named, and how to declare it", async () => {
      const topic = fresh("orders");
      const failure = await failureOf(publisher({}, "lambda").publish(topic, 1));
      expect(failure.kind).toBe("config");
      expect(failure.message).toContain("Type: AWS::SNS::Topic");
      const bulk = publisher({}, "lambda").publishBulk(topic, [{ data: 1 }]);
      await expect(bulk).rejects.toThrow("1 of 1 messages were not published");
      expect(await server.sns("ListTopics", {})).not.toContain(`:${topic}<`);
      await publisher().publish(topic, 1);
      expect(await server.sns("ListTopics", {})).toContain(`:${topic}<`);
    });

    test("comes again when it is taken away under a subscription", async () => {
      const app = fresh("shop");
      const topic = fresh("orders");
      const seen: unknown[] = [];
      await consume(app, topic, ({ data }) => void seen.push(data));
      await server.sns("DeleteTopic", { TopicArn: topicArn(topic) });
      await server.sqs("DeleteQueue", { QueueUrl: server.url(app) });
      await vi.waitFor(async () => {
        await publisher().publish(topic, "again");
        await vi.waitFor(() => expect(seen).toContain("again"), { timeout: 500 });
      }, patience);
    });
  });

  describe("a message that always fails", () => {
    const failing = (tries: number[]): Handler => {
      return (_event, _blocks, { attempt }) => {
        tries.push(attempt);
        throw new Error("on purpose");
      };
    };

    test("is handled messageRetryLimit times without a policy, the last time too, and deleted", async () => {
      const [app, topic] = [fresh("shop"), fresh("orders")];
      const tries: number[] = [];
      await consume(app, topic, failing(tries), { messageRetryLimit: 3 });
      await publisher().publish(topic, 1);
      await vi.waitFor(async () => expect(await left(app)).toBe(0), patience);
      expect(tries).toEqual([1, 2, 3]);
    });

    test("stays with disableDeleteOnRetryLimit", async () => {
      const [app, topic] = [fresh("shop"), fresh("orders")];
      const tries: number[] = [];
      const options = { messageRetryLimit: 2, disableDeleteOnRetryLimit: true };
      await consume(app, topic, failing(tries), options);
      await publisher().publish(topic, 1);
      await vi.waitFor(() => expect(tries.length).toBeGreaterThan(3), patience);
      expect(await left(app)).toBe(1);
    });

    test("goes to sqsDeadLettersQueueName as it came after messageReceiveLimit", async () => {
      const [app, topic, letters] = [fresh("shop"), fresh("orders"), fresh("letters")];
      const tries: number[] = [];
      const options = { sqsDeadLettersQueueName: letters, messageReceiveLimit: 2 };
      await consume(app, topic, failing(tries), options);
      await publisher().publish(topic, { order: 1 }, { cloudEvent: { id: "e-1" } });
      await vi.waitFor(async () => expect(await left(letters)).toBe(1), patience);
      expect(tries).toEqual([1, 2]);
      const QueueUrl = server.url(letters);
      const { Messages } = await server.sqs<{ Messages: { Body: string }[] }>("ReceiveMessage", {
        QueueUrl,
      });
      const { Message } = JSON.parse(String(Messages[0]?.Body)) as { Message: string };
      expect(JSON.parse(Message)).toMatchObject({ id: "e-1", data: { order: 1 } });
    });

    test("does not get more tries from a policy than the queue gives it", async () => {
      const options = { sqsDeadLettersQueueName: fresh("letters"), messageReceiveLimit: 2 };
      const start = consume(fresh("shop"), fresh("orders"), () => undefined, options, {
        maxRetries: 2,
      });
      await expect(start).rejects.toThrow(
        "with maxRetries 2: the component's own maxRetries is 1, by its setting messageReceiveLimit",
      );
    });
  });

  describe("a message whose handler takes longer than the queue waits", () => {
    test("has its tries, one after the other, and one dead letter", async () => {
      const [app, topic, letters] = [fresh("shop"), fresh("orders"), fresh("letters")];
      const runtime = runtimeOf(app);
      const tries: number[] = [];
      let [running, most, buried] = [0, 0, 0];
      const endless: Handler = (_event, { call: { signal } }, { attempt }) => {
        tries.push(attempt);
        most = Math.max(most, ++running);
        signal?.addEventListener("abort", () => running--);
        return new Promise(() => undefined);
      };
      const policy = { maxRetries: 1, retryDelayMs: 1000, deadLetterTopic: letters };
      await startSubscriptions(runtime, [
        subscribe("pubsub", topic, endless, policy),
        subscribe("pubsub", letters, () => void buried++),
      ]);
      await publisher().publish(topic, "x");
      await vi.waitFor(() => expect(buried).toBe(1), patience);
      // What the queue delivered beside, or was not told, would come within this time.
      await sleep(3500);
      expect({ tries, most, buried }).toEqual({ tries: [1, 2], most: 1, buried: 1 });
      expect(await left(app)).toBe(0);
    }, 30_000);

    test("is kept from others for as long as its dead letter takes", async () => {
      const [app, topic] = [fresh("shop"), fresh("orders")];
      const alone = () => {
        const own = broker(server, { ...quick, consumerID: app }).open(processHost("node"), "own");
        onTestFinished(() => own.close?.());
        return own;
      };
      const slow = () => sleep(3500, { is: "done" } as const);
      const first = await pull(alone(), topic, slow, {}, 1);
      await publisher().publish(topic, "x");
      await vi.waitFor(() => expect(first.seen).toHaveLength(1), patience);
      const second = await pull(alone(), topic);
      await vi.waitFor(async () => expect(await left(app)).toBe(0), patience);
      expect([first.seen.length, second.seen.length]).toEqual([1, 0]);
      for (const data of ["1", "2", "3"]) await publisher().publish(topic, data);
      await vi.waitFor(() => expect(second.seen).not.toEqual([]), patience);
    }, 30_000);
  });

  test("without SNS's envelope the topic is the app's only one", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    const seen: unknown[] = [];
    await consume(app, topic, ({ data }) => void seen.push(data));
    const list = await server.sns("ListSubscriptionsByTopic", { TopicArn: topicArn(topic) });
    const SubscriptionArn = /<SubscriptionArn>([^<]+)/.exec(list)?.[1] ?? "";
    const raw = { AttributeName: "RawMessageDelivery", AttributeValue: "true" };
    await server.sns("SetSubscriptionAttributes", { SubscriptionArn, ...raw });
    await publisher().publish(topic, "raw");
    await vi.waitFor(() => expect(seen).toEqual(["raw"]), patience);
  });

  test("a bulk that is too large for one request is sent in several, and one too large by itself fails alone", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    const seen: number[] = [];
    await consume(app, topic, ({ data }) => void seen.push(String(data).length));
    const sizes = [100_000, 120_000, 300_000, 90_000, 110_000];
    const entries = sizes.map((size) => ({ data: "é".repeat(size / 2), entryId: String(size) }));
    const failure = await failureOf(publisher().publishBulk(topic, entries));
    expect(failure).toMatchObject({ failures: [{ key: "300000", error: { kind: "invalid" } }] });
    await vi.waitFor(() => expect(seen).toHaveLength(4), patience);
  });

  test("bytes that are no text are refused, alone and in a bulk", async () => {
    const topic = fresh("orders");
    const data = Uint8Array.of(0xff, 0xfe);
    const options = { rawPayload: true };
    expect((await failureOf(publisher().publish(topic, data, options))).kind).toBe("invalid");
    const bulk = publisher().publishBulk(topic, [{ data, ...options }, { data: "text" }]);
    expect(await failureOf(bulk)).toMatchObject({ failures: [{ key: "0" }] });
  });

  test("two topics with one name on AWS are refused, and one with none", async () => {
    const app = fresh("shop");
    const runtime = runtimeOf(app);
    await startSubscriptions(runtime, [subscribe("pubsub", "a.b", () => undefined)]);
    const twin = startSubscriptions(runtime, [subscribe("pubsub", "ab", () => undefined)]);
    await expect(twin).rejects.toThrow("the topics ab and a.b are both ab on AWS");
    const none = startSubscriptions(runtime, [subscribe("pubsub", "…", () => undefined)]);
    await expect(none).rejects.toThrow('topic "…" has no letter');
  });

  test("what a process has in hand when it stops, and does not handle, is another's at once", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    const options = { messageVisibilityTimeout: 600 };
    let fail = (): void => undefined;
    let begun = false;
    const held = new Promise<void>((resolve) => {
      fail = resolve;
    });
    const first = await consume(
      app,
      topic,
      async () => {
        begun = true;
        await held;
        throw new Error("on purpose");
      },
      options,
    );
    await publisher().publish(topic, "x");
    await vi.waitFor(() => expect(begun).toBe(true), patience);
    const stopped = first.stop();
    await new Promise((resolve) => setImmediate(resolve));
    fail();
    await stopped;
    const seen: number[] = [];
    await consume(app, topic, (_event, _blocks, { attempt }) => void seen.push(attempt), options);
    await vi.waitFor(() => expect(seen).toEqual([2]), patience);
  });

  test("what a process had in hand when it was killed comes again", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    await consume(app, topic, () => undefined).then((subscription) => subscription.stop());
    await publisher().publish(topic, "x");
    // A process that is gone: it received, and neither deletes nor gives back.
    const input = { QueueUrl: server.url(app), VisibilityTimeout: 2, WaitTimeSeconds: 5 };
    type Answer = { Messages?: object[] };
    expect((await server.sqs<Answer>("ReceiveMessage", input)).Messages).toHaveLength(1);
    const seen: number[] = [];
    await consume(app, topic, (_event, _blocks, { attempt }) => void seen.push(attempt));
    await vi.waitFor(() => expect(seen).toEqual([2]), patience);
  });

  test("a process holds no more than it handles at a time, of thousands that wait", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    await consume(app, topic, () => undefined).then((subscription) => subscription.stop());
    const entries = Array.from({ length: 2000 }, (_, data) => ({ data }));
    await publisher().publishBulk(topic, entries);
    let [running, most] = [0, 0];
    const seen = new Set<unknown>();
    const held: number[] = [];
    await consume(
      app,
      topic,
      async ({ data }) => {
        most = Math.max(most, ++running);
        if (seen.size < 3) held.push(await inFlight(app));
        running--;
        seen.add(data);
      },
      { messageVisibilityTimeout: 30 },
      { concurrency: 4 },
    );
    await vi.waitFor(() => expect(seen.size).toBe(2000), { timeout: 60_000, interval: 50 });
    expect(most).toBe(4);
    expect(Math.max(...held)).toBeLessThanOrEqual(4);
  }, 90_000);

  test("a component closes once what it pulled is handled", async () => {
    const [app, topic] = [fresh("shop"), fresh("orders")];
    const own = broker(server, { ...quick, consumerID: app }).open(processHost("node"), "own");
    const handling = new AbortController();
    const { seen } = await pull(own, topic, async () => {
      await once(handling.signal, "abort");
      return { is: "done" };
    });
    await publisher().publish(topic, 1);
    await vi.waitFor(() => expect(seen).toHaveLength(1), patience);
    const closed = Promise.resolve(own.close?.()).then(() => "closed");
    expect(await Promise.race([closed, sleep(200, "open")])).toBe("open");
    handling.abort();
    expect(await closed).toBe("closed");
    expect(await left(app)).toBe(0);
  });

  test("with nobody there a publish fails in its time as unavailable, and so does a start", async () => {
    const away = { endpoint: "http://127.0.0.1:9" };
    const runtime = runtimeOf("shop", { accountID: account }, "node", away);
    const failure = await failureOf(runtime.blocks.pubsub("pubsub").publish("orders", 1));
    expect(failure.kind).toBe("unavailable");
    const subscription = subscribe("pubsub", "orders", () => undefined);
    const start = await failureOf(startSubscriptions(runtime, [subscription]));
    expect(start.kind).toBe("unavailable");
  });

  function runtimeOf(
    id: string,
    options: Options = {},
    target: "node" | "lambda" = "node",
    where: Pick<Aws, "endpoint"> = server,
  ) {
    const components = { pubsub: broker(where, { ...quick, ...options }) };
    const runtime = createRuntime({
      id,
      components,
      host: target === "node" ? processHost(target) : commonHost(target),
    });
    onTestFinished(() => runtime.close());
    return runtime;
  }

  function publisher(options?: Options, target?: "node" | "lambda") {
    return runtimeOf("publisher", options, target).blocks.pubsub("pubsub");
  }

  function consume(
    id: string,
    topic: string,
    handler: Handler,
    options?: Options,
    policy: SubscribeOptions = {},
  ) {
    const runtime = runtimeOf(id, options);
    return startSubscriptions(runtime, [subscribe("pubsub", topic, handler, policy)]);
  }

  async function attributes(queue: string): Promise<{ Policy?: unknown; RedrivePolicy?: unknown }> {
    const input = { QueueUrl: server.url(queue), AttributeNames: ["All"] };
    const { Attributes } = await server.sqs<{ Attributes: Record<string, string> }>(
      "GetQueueAttributes",
      input,
    );
    const { Policy = "null", RedrivePolicy = "null" } = Attributes;
    return { Policy: JSON.parse(Policy), RedrivePolicy: JSON.parse(RedrivePolicy) };
  }

  async function inFlight(queue: string): Promise<number> {
    const input = { QueueUrl: server.url(queue), AttributeNames: ["All"] };
    const { Attributes } = await server.sqs<{ Attributes: Record<string, string> }>(
      "GetQueueAttributes",
      input,
    );
    return Number(Attributes.ApproximateNumberOfMessagesNotVisible);
  }

  /** Messages in a queue, whoever has them. */
  async function left(queue: string): Promise<number> {
    const input = { QueueUrl: server.url(queue), AttributeNames: ["All"] };
    const { Attributes } = await server.sqs<{ Attributes: Record<string, string> }>(
      "GetQueueAttributes",
      input,
    );
    const { ApproximateNumberOfMessages: free, ApproximateNumberOfMessagesNotVisible: held } =
      Attributes;
    return Number(free) + Number(held);
  }
});

test.each([
  [{ accountID: "1" }, "accountID must be the 12 digits"],
  [{ messageVisibilityTimeout: 0.5 }, "messageVisibilityTimeout must be whole seconds"],
  [{ messageWaitTimeSeconds: 0 }, "messageWaitTimeSeconds must be a whole number from 1 to 20"],
  [{ messageMaxNumber: 11 }, "messageMaxNumber must be a whole number from 1 to 10"],
  [{ messageRetryLimit: 1 }, "messageRetryLimit must be a whole number from 2"],
  [{ concurrencyLimit: -1 }, "concurrencyLimit must be a whole number from 0"],
  [{ concurrencyMode: "some" }, "concurrencyMode must be parallel or single"],
  [{ messageReceiveLimit: 3 }, "sqsDeadLettersQueueName and messageReceiveLimit go together"],
  [{ sqsDeadLettersQueueName: "x" }, "sqsDeadLettersQueueName and messageReceiveLimit go together"],
  [
    {
      sqsDeadLettersQueueName: "x",
      messageReceiveLimit: 3,
      disableDeleteOnRetryLimit: true,
    },
    "disableDeleteOnRetryLimit has no meaning",
  ],
  [{ assumeRoleArn: "x" } as object, "component pubsub has no setting assumeRoleArn"],
])("the setting %j is refused by its name", (options, message) => {
  const component = broker({ endpoint: "http://127.0.0.1:9" }, options);
  expect(() => component.open(processHost("node"), "pubsub")).toThrow(message);
});

const topicArn = (name: string) => `arn:aws:sns:us-east-1:${account}:${name}`;
const queueArn = (name: string) => `arn:aws:sqs:us-east-1:${account}:${name}`;

const statement = (queue: string, topic: string) => ({
  Effect: "Allow",
  Principal: { Service: "sns.amazonaws.com" },
  Action: "sqs:SendMessage",
  Resource: queueArn(queue),
  Condition: { ArnEquals: { "aws:SourceArn": topicArn(topic) } },
});
