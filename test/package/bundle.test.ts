import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bundle, bundle } from "./_bundles.ts";
import { type Consumer, installConsumer } from "./_consumer.ts";
import { subpathsOf } from "./_exports.ts";

/** The same app for every measure. */
const app = (setup: string) => `
  import { Hono } from "hono";
  ${setup}
  http.get("/orders/:id", (c) => c.json({ id: c.req.param("id") }));`;

const plain = `${app("const http = new Hono();")}
  export default http;`;

const worker = (more = "") => `${app(`
  import { defineApp, pillion } from "pillion";
  import { serve } from "pillion/workers";
  const http = new Hono();
  http.use(pillion());`)}
  ${more}
  export { PillionObject } from "pillion/workers";
  export default serve(defineApp({ id: "orders", fetch: http.fetch }));`;

const lambda = (more = "") => `${app(`
  import { defineApp, pillion } from "pillion";
  import { serve } from "pillion/lambda";
  const http = new Hono();
  http.use(pillion());`)}
  ${more}
  export const handler = serve(defineApp({ id: "orders", fetch: http.fetch }));`;

const consuming = `${app(`
  import { defineApp, pillion, subscribe } from "pillion";
  import * as snsSqs from "pillion/aws/sns-sqs";
  import { serve } from "pillion/lambda";
  const http = new Hono();
  http.use(pillion());`)}
  http.post("/orders", (c) => c.var.blocks.pubsub("pubsub").publish("orders", {}).then(() => c.text("")));
  const subscriptions = [subscribe("pubsub", "orders", console.log)];
  const components = { pubsub: snsSqs.pubsub({}) };
  export const handler = serve(defineApp({ id: "orders", fetch: http.fetch, subscriptions }), { components });`;

const fileOf = (component: string) => `node_modules/pillion/dist/bindings/${component}.js`;

let consumer: Consumer;

beforeAll(async () => {
  consumer = await installConsumer();
});
afterAll(() => consumer?.remove());

describe("a Worker with the default components", () => {
  test("is at most 10 kB larger, compressed, than the same Hono app alone", async () => {
    const added = await addedBytes("workers", worker(), plain);
    expectWithin(added, 10_000);
    expect(() => expectWithin(added, 1)).toThrow();
  });

  test("holds nothing of another platform", async () => {
    const { modules, externals } = await bundle(consumer, worker(), { platform: "workers" });
    expect(modules.filter(isForeignTo("workers"))).toEqual([]);
    expect(externals).toEqual(["cloudflare:workers"]);
    expect(modules).toContain(fileOf("cloudflare/durable-objects"));
  });

  test("holds the evaluator of rules only where one is imported", async () => {
    const rule = `import { cel } from "pillion/cel"; export const match = cel("event.data.n == 1");`;
    const modulesOf = async (source: string) =>
      (await bundle(consumer, source, { platform: "workers" })).modules;
    const isEvaluator = (module: string) => module.includes("cel-js");
    expect((await modulesOf(worker())).filter(isEvaluator)).toEqual([]);
    expect((await modulesOf(worker(rule))).filter(isEvaluator)).not.toEqual([]);
  });

  test("holds what it uses, whatever the platform", async () => {
    const source = worker(`
      import * as dynamodb from "pillion/aws/dynamodb";
      export const other = dynamodb.state({ table: "orders" });`);
    const { modules } = await bundle(consumer, source, { platform: "workers" });
    expect(modules.filter(isForeignTo("workers"))).toContain(fileOf("aws/dynamodb"));
  });
});

describe("a Lambda function with DynamoDB", () => {
  test("is at most 20 kB larger, compressed, than the same Hono app alone", async () => {
    const added = await addedBytes("lambda", lambda(), plain);
    expectWithin(added, 20_000);
    expect(() => expectWithin(added, 1)).toThrow();
  });

  // 20 kB are wanted. The block adds 6 to what the test above measures, and the component 3.5.
  test("is at most 27.5 kB larger with SNS and SQS too, publishing and consuming", async () => {
    const added = await addedBytes("lambda", consuming, plain);
    expectWithin(added, 27_500);
  });

  test("holds what pulls from a queue only where a process serves it", async () => {
    const modulesOf = async (source: string) =>
      (await bundle(consumer, source, { platform: "lambda" })).modules;
    const process = consuming.replace("pillion/lambda", "pillion/node");
    expect(await modulesOf(consuming)).not.toContain(fileOf("aws/_sqs-puller"));
    expect(await modulesOf(process)).toContain(fileOf("aws/_sqs-puller"));
  });

  test("holds nothing of another platform and no SDK", async () => {
    const { modules, externals } = await bundle(consumer, lambda(), { platform: "lambda" });
    expect(modules.filter(isForeignTo("lambda"))).toEqual([]);
    expect(externals).toEqual([]);
    expect(modules).toContain(fileOf("aws/dynamodb"));
  });
});

describe("components that are imported and not used", () => {
  const idle = (paths: readonly string[]) =>
    `${paths.map((path, index) => `import * as idle${index} from "${path}";`).join("\n")}\n${plain}`;
  /** All that do without Node; `-sdk` files import what only their users have. */
  const components = () =>
    subpathsOf(consumer.pillion)
      .filter((path) => /^pillion\/((memory|upstash)$|(aws|cloudflare)\/(?!.*-sdk$))/.test(path))
      .map((path) => path.replace("pillion/", ""));
  const idleComponents = () => idle(components().map((component) => `pillion/${component}`));

  test("leave nothing in a bundle", async () => {
    const { modules } = await bundle(consumer, idleComponents(), { platform: "workers" });
    expect(modules.filter((path) => path.includes("pillion"))).toEqual([]);
  });

  test("are shaken off also where no package is trusted to be free of side effects", async () => {
    const options = { platform: "workers", distrustful: true } as const;
    const { modules } = await bundle(consumer, idleComponents(), options);
    expect(modules.filter((path) => components().map(fileOf).includes(path))).toEqual([]);
    expect(components()).toEqual(expect.arrayContaining(["memory", "aws/dynamodb"]));
  });

  test("would stay there without their mark", async () => {
    const options = { platform: "workers", distrustful: true } as const;
    const marked = readFileSync(join(consumer.folder, fileOf("memory")), "utf8");
    consumer.write({ [fileOf("unmarked")]: marked.replace("/* @__PURE__ */", "") });
    const { modules } = await bundle(consumer, idle([`./${fileOf("unmarked")}`]), options);
    expect(modules).toContain(fileOf("unmarked"));
  });
});

async function addedBytes(
  platform: "workers" | "lambda",
  source: string,
  base: string,
): Promise<number> {
  const [whole, alone] = (await Promise.all(
    [source, base].map((text) => bundle(consumer, text, { platform })),
  )) as [Bundle, Bundle];
  const added = whole.bytes - alone.bytes;
  console.log(
    `${platform}: ${whole.bytes} - ${alone.bytes} = ${added} bytes, minified and compressed`,
  );
  return added;
}

function expectWithin(bytes: number, budget: number): void {
  expect(bytes).toBeLessThanOrEqual(budget);
}

function isForeignTo(platform: "workers" | "lambda"): (module: string) => boolean {
  const others = {
    workers: "aws|node|lambda|_app|_process|_resources|cli",
    lambda: "cloudflare|node|workers|_app|_resources|cli",
  };
  const foreign = new RegExp(
    `pillion/dist/(bindings|targets)/(${others[platform]})/|@aws-sdk|srvx`,
  );
  return (module) => foreign.test(module);
}
