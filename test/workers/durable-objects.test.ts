import { afterAll, beforeAll } from "vitest";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";

let workers: RunningWorkers;

beforeAll(async () => {
  workers = await startWorkers({
    entry: `${root}/test/workers/conformance-worker.ts`,
    folder: newFolder("workers"),
  });
});
afterAll(() => workers?.stop());

stateSuite(
  "state.cloudflare.durableobjects, inside workerd",
  durableObjects.state({}).features,
  remoteRunner(() => workers.url),
);
