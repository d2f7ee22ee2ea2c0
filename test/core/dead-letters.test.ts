import { afterEach, describe, expect, test } from "vitest";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import type { IncomingMessage } from "../../src/contracts/pubsub.ts";
import { type Handler, type SubscribeOptions, subscribe, topic } from "../../src/index.ts";
import {
  closeAll,
  collector,
  fakeComponent,
  message,
  pushing,
  receive,
  runtimeWith,
} from "./_pubsub.ts";

afterEach(closeAll);

describe("a message that nobody is at fault for", () => {
  const dead = { maxRetries: 0, deadLetterTopic: "dead" };
  const hang = () => new Promise<void>(() => undefined);

  function bedOf(handler: Handler) {
    const published: string[] = [];
    const { component, accepted } = pushing({ processingTimeout: 2000, published });
    const { runtime, events, clock } = runtimeWith(component);
    const subscription = subscribe("pubsub", "t", handler, dead);
    /** With so many milliseconds left, which pass. */
    const bring = async (left: number) => {
      const deadline = clock.now() + left;
      const received = receive(runtime, subscription, [{ ...message("t", 1), deadline }]);
      clock.advance(Math.max(left, 0));
      await received;
    };
    const told = () =>
      events.flatMap((event) => (event.type === "pubsub.delivery" ? [event.outcome] : []));
    return { bring, accepted, published, told };
  }

  test("whose batch is over is not handled, and comes again", async () => {
    const { got, handler } = collector();
    const { bring, accepted, published, told } = bedOf(handler);
    await bring(-1);
    expect([got, published, told()]).toEqual([[], [], ["retried"]]);
    expect(accepted).toEqual([[{ is: "retry" }]]);
  });

  test("whose handler had hardly any time comes again, and one that had its time is buried", async () => {
    const { bring, accepted, published, told } = bedOf(hang);
    await bring(50);
    expect(accepted).toEqual([[{ is: "retry" }]]);
    await bring(1000);
    expect(accepted[1]).toEqual([{ is: "done" }]);
    expect([published, told()]).toEqual([["dead"], ["retried", "dead-lettered"]]);
  });

  test("a handler that failed by itself in hardly any time has failed", async () => {
    const { bring, accepted, published } = bedOf(() => "RETRY");
    await bring(50);
    expect([accepted, published]).toEqual([[[{ is: "done" }]], ["dead"]]);
  });
});

describe("a message whose handlers never lived to answer", () => {
  const bedOf = (options: SubscribeOptions) => {
    const published: string[] = [];
    const { component } = pushing({ published });
    const { got, handler } = collector();
    const { runtime, events } = runtimeWith(component);
    const subscription = subscribe("pubsub", "t", handler, options);
    const bring = (attempt: number) =>
      receive(runtime, subscription, [{ ...message("t", 1), attempt }]);
    return { bring, got, published, events };
  };

  test("is buried without being handled once it was delivered as often as it may be", async () => {
    const { bring, got, published, events } = bedOf({ maxRetries: 1, deadLetterTopic: "dead" });
    await bring(2);
    expect([got.length, published]).toEqual([1, []]);
    await bring(3);
    expect([got.length, published]).toEqual([1, ["dead"]]);
    expect(events.at(-1)).toMatchObject({
      outcome: "dead-lettered",
      error: { message: "it was delivered 2 times, and none of its handlers lived to answer" },
    });
  });

  test.each<[string, SubscribeOptions]>([
    ["a dead-letter topic, which would lose it", { maxRetries: 0 }],
    ["a limit", { deadLetterTopic: "dead" }],
  ])("is handled on and on without %s", async (_name, options) => {
    const { bring, got, published } = bedOf(options);
    await bring(9);
    expect([got.length, published]).toEqual([1, []]);
  });
});

describe("a subscription's retries", () => {
  const start = (most: number, options: SubscribeOptions) => {
    const component = fakeComponent({
      maxRetries: most,
      subscribe: async () => ({ stop: async () => undefined }),
    });
    const { runtime } = runtimeWith(component);
    return startSubscriptions(runtime, [subscribe("pubsub", "t", () => undefined, options)]);
  };

  test("are refused in a process too where they are more than the broker makes", async () => {
    await start(3, { maxRetries: 3 });
    await expect(start(3, { maxRetries: 4 })).rejects.toThrow(
      "cannot subscribe to topic t of pubsub with maxRetries 4: the component's own maxRetries is 3",
    );
  });

  test("leave one for a dead letter that is not taken at first", async () => {
    const deadLetterTopic = "dead";
    await start(3, { maxRetries: 2, deadLetterTopic });
    await expect(start(3, { maxRetries: 3, deadLetterTopic })).rejects.toThrow(
      "with maxRetries 3 and one more for the dead-letter topic: the component's own maxRetries is 3",
    );
  });
});

test("a dead letter says why its message was not fit for a handler, and nothing of what a handler threw", async () => {
  const metadata: unknown[] = [];
  const component = fakeComponent({
    publish: async (_topic, sent) => void metadata.push(sent.metadata),
    accept: (event) => ({ messages: event as IncomingMessage[], settle: () => undefined }),
  });
  const { runtime } = runtimeWith(component);
  const schema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value: unknown) =>
        value === "right" ? { value } : { issues: [{ message: "it is wrong" }] },
    },
  } as const;
  const options = { deadLetterTopic: "dead" };
  const failing = subscribe(
    topic("pubsub", "t", schema),
    () => {
      throw new Error("secret");
    },
    options,
  );
  const broken = { ...message("t", 1), data: "{" };
  for (const one of [message("t", "wrong"), broken, message("t", "right")]) {
    await receive(runtime, failing, [one]);
  }
  expect(metadata).toEqual([
    { deadLetterReason: "the data does not fit the topic's schema: it is wrong" },
    { deadLetterReason: "a message of topic t is no event: it is no JSON" },
    {},
  ]);
});
