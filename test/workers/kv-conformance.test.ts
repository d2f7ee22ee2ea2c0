import { afterAll, beforeAll } from "vitest";
import * as kv from "../../bindings/cloudflare/kv.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";

let workers: RunningMiniflare;

beforeAll(async () => {
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_kv-worker.ts` },
    folder: newFolder("miniflare"),
    kv: ["MY_KV"],
  });
});
afterAll(() => workers?.stop());

stateSuite(
  "state.cloudflare.workerskv, inside workerd",
  kv.state({ kvNamespaceID: "MY_KV" }).features,
  remoteRunner(() => workers.urls.main as string),
);
