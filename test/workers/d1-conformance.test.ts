import { afterAll, beforeAll } from "vitest";
import * as d1 from "../../bindings/cloudflare/d1.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";

let workers: RunningMiniflare;

beforeAll(async () => {
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_d1-worker.ts` },
    folder: newFolder("miniflare"),
    d1: ["DB"],
  });
});
afterAll(() => workers?.stop());

stateSuite(
  "state.cloudflare.d1, inside workerd",
  d1.state({ binding: "DB" }).features,
  remoteRunner(() => workers.urls.main as string),
);
