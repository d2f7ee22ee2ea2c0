import type { Call } from "../../src/contracts/host.ts";
import type { PubSub, SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { createLive } from "../_live.ts";
import { asking, type Broker } from "./_sns-broker.ts";
import { ensureSubscription, ensureTopic } from "./_sns-topic.ts";
import { createLine, type Line, type LineSettings } from "./_sqs-line.ts";
import { ensureQueueFor, type Queue, queueUrl, type RedriveSettings } from "./_sqs-queue.ts";

export type Puller = Required<Pick<PubSub, "init" | "subscribe" | "close">>;

export type PullSettings = LineSettings & RedriveSettings;

/** The subscriptions of a process, which share one queue. */
export function createPuller(broker: Broker, settings: PullSettings): Puller {
  const live = createLive();
  let line: Line | undefined;
  // One after the other: each reads the queue's policy, and writes it with its topic added.
  let turn: Promise<unknown> = Promise.resolve();
  return { init, subscribe, close: live.stop };

  async function init(call: Call): Promise<void> {
    const { component, queue } = broker;
    await broker.account(call);
    await asking(component, "SQS", `queue ${queue}`, () => queueUrl(broker, queue, call));
  }

  async function subscribe(request: SubscribeRequest, call: Call): Promise<Subscription> {
    const { url } = await prepare(request.topic, call);
    line ??= createLine(
      broker,
      settings,
      url,
      async (topics) => {
        for (const topic of topics) await prepare(topic, call);
      },
      call,
    );
    return live.add(line.add(request));
  }

  function prepare(topic: string, call: Call): Promise<Queue> {
    const prepared = turn.then(async () => {
      const topicArn = await ensureTopic(broker, topic, call);
      const queue = await ensureQueueFor(broker, settings, topicArn, call);
      await ensureSubscription(broker, topic, topicArn, queue.arn, call);
      return queue;
    });
    turn = prepared.catch(() => undefined);
    return prepared;
  }
}
