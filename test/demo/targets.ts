import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startDynamoDB } from "../harness/dynamodb.ts";
import { root } from "../harness/folder.ts";
import { startLambda } from "../harness/lambda.ts";
import { bundleNode, startNode, startProgram } from "../harness/node.ts";
import { REGION, startSnsSqs, startSource } from "../harness/sns-sqs.ts";

export const targetNames = ["node", "workers", "lambda"] as const;
export type TargetName = (typeof targetNames)[number];

/** The example on one target, which can crash and come back to what it stored. */
export interface TargetUnderTest {
  url(): string;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface TargetOptions {
  readonly folder: string;
  /** Serve the example on a store that forgets: the fault that `--break` plants. */
  readonly broken: boolean;
  /** Lambda's native runtime client, and not the stand-in. */
  readonly native?: boolean;
  readonly emulator?: "npm" | "ministack";
}

export const targets: Record<TargetName, (options: TargetOptions) => Promise<TargetUnderTest>> = {
  node: ({ folder, broken }) =>
    restartable(() => startNode({ entry: entryOf("node", broken), folder: join(folder, "node") })),
  workers: ({ folder, broken }) =>
    restartable(() => startWorker(entryOf("worker", broken), join(folder, "workers"))),
  lambda: startOnLambda,
};

interface Crashable {
  readonly url: string;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

async function restartable(start: () => Promise<Crashable>): Promise<TargetUnderTest> {
  let running = await start();
  return {
    url: () => running.url,
    async restart() {
      await running.kill();
      running = await start();
    },
    stop: () => running.stop(),
  };
}

/** workerd with Miniflare's Queues, which crash with it. */
function startWorker(entry: string, folder: string): Promise<Crashable> {
  mkdirSync(folder, { recursive: true });
  return startProgram([join(root, "test/demo/_worker-process.ts"), entry, folder], folder);
}

/** What crashes is the function's sandbox; the table outlives it, as the managed service would. */
async function startOnLambda(options: TargetOptions): Promise<TargetUnderTest> {
  const { folder, broken, native, emulator = "npm" } = options;
  const dynamodb = await startDynamoDB({ emulator, region: REGION });
  await dynamodb.createTable("orders", { ttl: "ttl" });
  const services = await startSnsSqs();
  const queue = await services.createTopics(["orders", "refunds"], "orders", 5);
  const dir = join(folder, "lambda");
  mkdirSync(dir, { recursive: true });
  await bundleNode(entryOf("lambda", broken), join(dir, "lambda.mjs"));
  const target = await restartable(async () => {
    const lambda = await startLambda({
      dir,
      handler: "lambda.handler",
      native,
      env: {
        PILLION_TABLE: "orders",
        AWS_ENDPOINT_URL: services.endpoint,
        AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
        AWS_REGION: REGION,
        AWS_ACCESS_KEY_ID: "local",
        AWS_SECRET_ACCESS_KEY: "local",
      },
    });
    const source = startSource(services.endpoint, queue, lambda.invoke);
    const kill = async () => {
      lambda.kill("SIGKILL");
      await lambda.exited;
      await stop();
    };
    const stop = async () => {
      await source.stop();
      await lambda.stop();
    };
    return { url: lambda.url, kill, stop };
  });
  return {
    ...target,
    async stop() {
      await target.stop();
      await services.stop();
      await dynamodb.stop();
    },
  };
}

function entryOf(file: "node" | "worker" | "lambda", broken: boolean): string {
  return broken
    ? join(root, `test/demo/broken/${file}.ts`)
    : join(root, `examples/orders/${file}.ts`);
}
