import { afterAll, beforeAll } from "vitest";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { type DynamoDB, startDynamoDB } from "../harness/dynamodb.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";

let dynamodb: DynamoDB;
let workers: RunningWorkers;

beforeAll(async () => {
  dynamodb = await startDynamoDB({ emulator: "npm" });
  await dynamodb.createTable("conformance", { ttl: "ttl" });
  workers = await startWorkers({
    entry: `${root}/test/workers/_dynamodb-worker.ts`,
    folder: newFolder("workers"),
    objects: false,
    env: { ENDPOINT: dynamodb.endpoint },
  });
});
afterAll(async () => {
  await workers?.stop();
  await dynamodb?.stop();
});

const features = ["ETAG", "TRANSACTIONAL", "TTL", "LIST"];
stateSuite(
  "state.aws.dynamodb, inside workerd",
  features,
  remoteRunner(() => workers.url),
);
