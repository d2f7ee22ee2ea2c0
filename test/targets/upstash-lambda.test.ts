import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import * as upstash from "../../bindings/upstash.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type Lambda, startLambda } from "../harness/lambda.ts";
import { bundleNode } from "../harness/node.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { startUpstash, type UpstashFront } from "../harness/upstash.ts";

const reason = absentRedis();

// The component inside the bundled shim, under AWS's runtime client, with its settings from the environment.
describe.skipIf(reason)(reason ? `upstash (skipped: ${reason})` : "upstash", () => {
  let redis: RedisServer;
  let front: UpstashFront;
  let lambda: Lambda;
  beforeAll(async () => {
    redis = await startRedis();
    front = await startUpstash(redis.port);
    const dir = newFolder("lambda");
    const entry = `${root}/test/targets/_upstash-lambda-function.ts`;
    await bundleNode(entry, join(dir, "function.mjs"));
    lambda = await startLambda({
      dir,
      handler: "function.handler",
      env: { UPSTASH_REDIS_REST_URL: front.url, UPSTASH_REDIS_REST_TOKEN: front.token },
    });
  });
  afterAll(async () => {
    await lambda?.stop();
    await front?.stop();
    await redis?.stop();
  });
  stateSuite(
    "state.upstash in a function",
    upstash.state({}).features,
    remoteRunner(() => lambda.url),
  );
});
