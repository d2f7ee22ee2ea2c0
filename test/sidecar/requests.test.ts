import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { ended, owned, started } from "../harness/process.ts";
import { killSidecars, type RunningSidecar, startSidecar } from "../harness/sidecar.ts";
import type { Row } from "../http/_rows.ts";
import { overHttp, run } from "../http/_run.ts";
import { resourcesOf } from "../http/_setups.ts";
import { requests } from "../http/requests.ts";

afterAll(killSidecars);

const setups = resourcesOf;

/** What a process of its own has to answer; the paths go as they are written. */
const rowsOn = (setup: keyof typeof setups): Row[] =>
  requests.filter(({ on, only }) => on === setup && only !== "mounted");

test("there are at least 150 requests", () => {
  expect(requests.flatMap(({ steps }) => steps).length).toBeGreaterThanOrEqual(150);
});

describe.each(Object.entries(setups))("a sidecar on %s answers", (setup, resources) => {
  let sidecar: RunningSidecar;
  beforeAll(async () => {
    sidecar = await startSidecar({ resources });
  });
  afterAll(() => sidecar?.stop());

  test.each(rowsOn(setup as keyof typeof setups))("$name", async (row) => {
    await run(row, overHttp(sidecar.url));
  });
});

const { DAPRD } = process.env;

describe.skipIf(!DAPRD).each(Object.entries(setups))(
  "the control, daprd on %s (where DAPRD names it), answers",
  (setup, resources) => {
    let url: string;
    let stop: () => Promise<void>;
    beforeAll(async () => {
      ({ url, stop } = await startDaprd(resources));
    });
    afterAll(() => stop?.());

    const alike = rowsOn(setup as keyof typeof setups).filter(({ differs }) => !differs);
    test.each(alike)("$name", async (row) => {
      await run(row, overHttp(url));
    });
  },
);

async function startDaprd(resources: Readonly<Record<string, string>>) {
  const folder = join(newFolder("daprd"), "resources");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(resources)) writeFileSync(join(folder, name), text);
  const [http, grpc, metrics] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = ["--dapr-http-port", http, "--dapr-grpc-port", grpc, "--metrics-port", metrics];
  const words = ["--app-id", "app", "--resources-path", folder, ...ports.map(String)];
  const child = owned(spawn(DAPRD as string, words, { stdio: ["ignore", "pipe", "pipe"] }));
  let log = "";
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      log += chunk;
      if (log.includes("dapr initialized")) resolve();
    });
  });
  await started(child, () => log, ready);
  return { url: `http://127.0.0.1:${http}`, stop: () => ended(child, "SIGTERM") };
}
