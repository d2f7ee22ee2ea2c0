import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { ended, owned, started } from "../harness/process.ts";
import type { Row, Setup } from "./_rows.ts";
import { overHttp, run, type Sender } from "./_run.ts";
import { resourcesOf } from "./_setups.ts";
import { requests } from "./requests.ts";

/** An executable to hold the table against: the answers are Dapr's, where a row does not say why they are not. */
const daprd = process.env.DAPRD;

describe.skipIf(!daprd)(`daprd${daprd ? "" : ": the variable DAPRD names none"}`, () => {
  const stops: (() => Promise<void>)[] = [];
  let senders: Record<Setup, Sender>;

  beforeAll(async () => {
    senders = { store: await start("store"), bus: await start("bus"), bare: await start("bare") };
  });
  afterAll(() => Promise.all(stops.map((stop) => stop())));

  test.each(requests.filter(isDaprs))("$name", (row) => run(row, senders[row.on]));

  async function start(setup: Setup): Promise<Sender> {
    const resources = join(newFolder("daprd"), "resources");
    mkdirSync(resources);
    for (const [name, text] of Object.entries(resourcesOf[setup])) {
      writeFileSync(join(resources, name), text);
    }
    const [http, grpc, internal] = await Promise.all([freePort(), freePort(), freePort()]);
    const words = [
      ...["--app-id", "app", "--resources-path", resources, "--enable-metrics=false"],
      ...["--dapr-listen-addresses", "127.0.0.1", "--dapr-http-port", String(http)],
      ...["--dapr-grpc-port", String(grpc), "--dapr-internal-grpc-port", String(internal)],
    ];
    const child = owned(spawn(daprd as string, words, { stdio: ["ignore", "pipe", "pipe"] }));
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => (output += text));
    stops.push(() => ended(child, "SIGKILL"));
    const send = overHttp(`http://127.0.0.1:${http}`);
    await started(child, () => output, healthy(send));
    return send;
  }
});

function isDaprs({ differs, only }: Row): boolean {
  return differs === undefined && only !== "mounted";
}

async function healthy(send: Sender): Promise<void> {
  const probe = { method: "GET", path: "/v1.0/healthz", headers: {} };
  for (;;) {
    const status = await send(probe).then(
      (got) => got.status,
      () => 0,
    );
    if (status === 204) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
