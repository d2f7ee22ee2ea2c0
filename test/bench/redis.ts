import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { readScript, writeScript } from "../../dist/bindings/_redis.js";
import * as component from "../../dist/bindings/node/redis.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { ended, owned } from "../harness/process.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { cpuPer, interleave, type Row, timePer } from "./measure.ts";

const CALLS = 2000;
const ROUNDS = 15;

type Calls = Readonly<Record<"get" | "set", () => Promise<unknown>>>;

/** What ioredis took on the machine of the design's figures. */
const there: Readonly<Record<string, number>> = { "get µs": 33, "set µs": 28, "get µs of CPU": 29 };

export async function redis(): Promise<Row[]> {
  const reason = absentRedis();
  if (reason) {
    process.stderr.write(`redis is left out: ${reason}\n`);
    return [];
  }
  const server = await startRedis();
  try {
    return await measure(server);
  } finally {
    await server.stop();
  }
}

async function measure(server: RedisServer): Promise<Row[]> {
  await using runtime = createRuntime({
    id: "bench",
    components: { store: component.state({ redisHost: server.address }) },
    host: processHost("node"),
  });
  const state = runtime.blocks.state("store");
  const value = { id: "o-1", text: "x".repeat(980) };
  const ours: Calls = {
    get: () => state.get("k"),
    set: () => state.set("k", value),
  };
  const rows: Row[] = [];
  const raw = await byHand(server.address, value);
  for (const operation of ["get", "set"] as const) {
    for (const [per, unit] of [
      [timePer, "µs"],
      [cpuPer, "µs of CPU"],
    ] as const) {
      const [mine, others] = [ours[operation], raw.calls[operation]];
      await per(CALLS, mine)();
      await per(CALLS, others)();
      rows.push({
        what: `Redis: state.${operation}`,
        reference: "the same commands through ioredis, one after the other",
        unit,
        ...(await interleave(per(CALLS, mine), per(CALLS, others), ROUNDS)),
        goal: { ratio: 1.15 },
        expected: there[`${operation} ${unit}`],
      });
    }
  }
  raw.stop();
  return [...rows, ...(await besideDaprd(server, ours, value))];
}

/** What a user of ioredis writes for the same effect: the value and its ETag in one step, a write that makes a new ETag. */
async function byHand(address: string, value: object) {
  const [host, port] = address.split(":") as [string, string];
  const client = new Redis({ host, port: Number(port) });
  const digest = (lua: string) => createHash("sha1").update(lua).digest("hex");
  await client.script("LOAD", readScript);
  await client.script("LOAD", writeScript);
  const [reader, writer] = [digest(readScript), digest(writeScript)];
  const calls: Calls = {
    get: async () => {
      const [data] = (await client.evalsha(reader, 1, "bench||raw")) as [string];
      return JSON.parse(data);
    },
    set: () =>
      client.evalsha(
        writer,
        1,
        "bench||raw",
        "4503599627370",
        "",
        "json",
        "",
        JSON.stringify(value),
      ),
  };
  await calls.set();
  return { calls, stop: () => client.disconnect() };
}

/** The way that Dapr's SDK goes: HTTP to daprd, which talks to the same server. */
async function besideDaprd(server: RedisServer, ours: Calls, value: object): Promise<Row[]> {
  const daprd = process.env.DAPRD;
  if (!daprd) {
    process.stderr.write("Redis through daprd is left out: DAPRD names no executable\n");
    return [];
  }
  const { calls, stop } = await startDaprd(daprd, server, value);
  try {
    const rows: Row[] = [];
    for (const operation of ["get", "set"] as const) {
      const [mine, others] = [timePer(300, ours[operation]), timePer(300, calls[operation])];
      const measured = await interleave(others, mine, 9);
      rows.push({
        what: `Redis: state.${operation} through daprd`,
        reference: "pillion in the function, on the same server",
        unit: "µs",
        ...measured,
        goal: { atLeast: 8 },
      });
    }
    return rows;
  } finally {
    await stop();
  }
}

async function startDaprd(daprd: string, { address }: RedisServer, value: object) {
  const resources = join(newFolder("daprd"), "resources");
  mkdirSync(resources, { recursive: true });
  writeFileSync(
    join(resources, "statestore.yaml"),
    `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: statestore }
spec:
  type: state.redis
  version: v1
  metadata:
    - { name: redisHost, value: "${address}" }
`,
  );
  const [http, grpc, metrics] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = ["--dapr-http-port", http, "--dapr-grpc-port", grpc, "--metrics-port", metrics];
  const words = ["--app-id", "bench", "--resources-path", resources, ...ports.map(String)];
  const child = owned(spawn(daprd, words, { stdio: "ignore" }));
  const url = `http://127.0.0.1:${http}/v1.0`;
  while (!(await fetch(`${url}/healthz/outbound`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`daprd ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const calls: Calls = {
    get: async () => (await fetch(`${url}/state/statestore/daprd`)).json(),
    set: async () => {
      const body = JSON.stringify([{ key: "daprd", value }]);
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${url}/state/statestore`, {
        method: "POST",
        headers,
        body,
      });
      if (!response.ok) throw new Error(`daprd answered ${response.status}`);
    },
  };
  await calls.set();
  return { calls, stop: () => ended(child, "SIGTERM") };
}
