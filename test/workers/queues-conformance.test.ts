import { afterAll, beforeAll, describe, test } from "vitest";
import * as queues from "../../bindings/cloudflare/queues.ts";
import { type PubSubCase, type PubSubCaseName, pubSubCases } from "../../src/conformance/index.ts";
import { pubSubCasesFor } from "../conformance/pubsub.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type QueueOptions, type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";
import { publisherAt, type QueueOf, type QueuesBed, startQueuesBed } from "./_queues-bed.ts";

const cases = pubSubCasesFor(queues.pubsub({}).features);
/** Topics are queues of the configuration: as many as the cases may ask for, each used once. */
const names = Array.from({ length: cases.length * 2 }, (_, index) => `t${index}`);
/** The one that two consumers read. */
const shared: PubSubCaseName = "every consumer gets every message";
const queueNames = [...names, "shared--a", "shared--b"];
const unused = names.values();

// Every message of a batch is with its handler at the same time, and the local runtime gives a queue's consumer one
// batch at a time: what is to run side by side must come in one.
const options: QueueOptions = {
  consumer: "main",
  maxBatchSize: 20,
  maxBatchTimeout: 0.3,
  maxRetries: 100,
};

let bed: QueuesBed;
let workers: RunningMiniflare;

beforeAll(async () => {
  bed = await startQueuesBed();
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_queues-worker.ts` },
    folder: newFolder("miniflare"),
    queues: Object.fromEntries(queueNames.map((name) => [name, options])),
    env: { BED: bed.url },
  });
});
afterAll(async () => {
  await workers?.stop();
  await bed?.[Symbol.asyncDispose]();
});

describe("pubsub.cloudflare.queues, inside workerd", { timeout: 120_000 }, () => {
  for (const name of cases) {
    test(name, async () => {
      const { run }: PubSubCase = pubSubCases[name];
      const publisher = publisherAt(workers.urls.main as string);
      const topics = name === shared ? ["shared"].values() : unused;
      const queueOf: QueueOf = (topic, consumer) =>
        topic === "shared" ? `shared--${consumer}` : topic;
      await run(bed.bed(publisher, topics, queueOf));
    });
  }
});
