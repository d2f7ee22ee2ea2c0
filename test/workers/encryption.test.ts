import { afterAll, beforeAll, expect, test } from "vitest";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";

let workers: RunningWorkers;

beforeAll(async () => {
  workers = await startWorkers({
    entry: `${root}/test/workers/_encrypted-worker.ts`,
    folder: newFolder("workers"),
    env: { KEY_GOOD: "00112233445566778899aabbccddeeff" },
  });
});
afterAll(() => workers?.stop());

stateSuite(
  "state.cloudflare.durableobjects, encrypted, inside workerd",
  durableObjects.state({}).features,
  remoteRunner(() => workers.url),
  {
    skips: {
      "bytes that could be JSON stay bytes":
        "Dapr's encrypted format does not say which of the two it holds",
    },
  },
);

test("a key that is not in the Worker's variables is named", async () => {
  const run = remoteRunner(() => workers.url, "unset");
  await expect(run("values of 100 kB come back whole")).rejects.toThrow(
    "component unset: primaryEncryptionKey: there is no secret NONE in secretstores.local.env",
  );
});
