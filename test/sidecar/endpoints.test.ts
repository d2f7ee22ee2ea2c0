import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import {
  componentYaml,
  killSidecars,
  type RunningSidecar,
  startSidecar,
} from "../harness/sidecar.ts";
import { closeApps, publish, startApp, startFor } from "./_app.ts";

afterAll(killSidecars);
afterAll(closeApps);

const statusOf = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;
const state = ({ url }: RunningSidecar) => `${url}/v1.0/state/statestore`;

async function use(sidecar: RunningSidecar): Promise<void> {
  await fetch(state(sidecar), { method: "POST", body: '[{"key":"k","value":1}]' });
  await fetch(`${state(sidecar)}/k`);
  await fetch(`${sidecar.url}/v1.0/state/statestore/%ff`);
}

/** Every line must be a comment or a sample, and every sample of a family that was declared. */
function expectWellFormed(text: string): void {
  const families = new Set<string>();
  for (const line of text.trimEnd().split("\n")) {
    const [, family] = /^# (?:HELP|TYPE) (\w+) \S/.exec(line) ?? [];
    if (family) {
      families.add(family);
      continue;
    }
    const [, name = ""] =
      /^(\w+)(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? -?[\d.e+-]+$/.exec(line) ?? [];
    expect(families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, "")), line).toBe(
      true,
    );
  }
}

describe("metrics", () => {
  test("count requests, calls and components by daprd's names", async () => {
    const sidecar = await startSidecar({ env: { NAMESPACE: "prod" } });
    await use(sidecar);
    const response = await fetch(sidecar.metrics);
    const text = await response.text();
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const lines = text.split("\n");
    const request = 'dapr_http_server_request_count{app_id="app",method=';
    expect(lines).toContain(`${request}"POST",path="",status="204"} 1`);
    expect(lines).toContain(`${request}"GET",path="",status="200"} 1`);
    expect(lines).toContain(`${request}"GET",path="",status="400"} 1`);
    const call = 'dapr_component_state_count{app_id="app",namespace="prod",component="statestore"';
    expect(lines).toContain(`${call},operation="get",success="true"} 1`);
    expect(lines).toContain('dapr_runtime_component_loaded{app_id="app"} 1');
    expect(lines).toContain(
      'dapr_runtime_component_init_total{app_id="app",component="state.in-memory"} 1',
    );
    expect(text).toMatch(/\nprocess_resident_memory_bytes \d{7,}\n/);
    expect(text).toMatch(/\nprocess_cpu_seconds_total 0\.\d+\n/);
    expectWellFormed(text);
    expect(() => expectWellFormed("made_up 1")).toThrow();
    expect(await statusOf(sidecar.metrics.replace("metrics", "other"))).toBe(404);
    await sidecar.stop();
  });

  test("count messages, both ways, by topic and outcome", async () => {
    const on = (topic: string, more = {}) => ({ pubsubname: "bus", topic, route: topic, ...more });
    const match = "event.data.n > 3";
    const app = await startApp([
      on("good"),
      on("bad", { deadLetterTopic: "dead" }),
      on("dropped"),
      on("again"),
      { pubsubname: "bus", topic: "routed", routes: { rules: [{ match, path: "/large" }] } },
    ]);
    let tries = 0;
    app.handle = ({ path }) => {
      if (path === "/bad") return { status: 500 };
      if (path === "/dropped") return { status: 404 };
      return { status: path === "/again" && ++tries < 2 ? 500 : 200 };
    };
    const allowedTopics = "good,bad,dropped,again,routed,dead";
    const bus = componentYaml("bus", "pubsub.in-memory", { allowedTopics });
    const resources = { "bus.yaml": bus };
    const sidecar = await startFor(app, { env: { NAMESPACE: "prod" }, resources });
    for (const topic of ["good", "good", "bad", "dropped", "again", "routed"]) {
      expect(await publish(sidecar, `bus/${topic}`, { n: 1 })).toBe(204);
    }
    expect(await publish(sidecar, "bus/forbidden", { n: 1 })).toBe(403);
    const bulk = [1, 2].map((n) => ({
      entryId: `${n}`,
      event: n,
      contentType: "application/json",
    }));
    const url = `${sidecar.url}/v1.0/publish/bulk/bus/dead`;
    expect(await statusOf(url, { method: "POST", body: JSON.stringify(bulk) })).toBe(204);

    const counts = async (way: string) => {
      const text = await (await fetch(sidecar.metrics)).text();
      expectWellFormed(text);
      const start = `dapr_component_pubsub_${way}_count{app_id="app",namespace="prod",component="bus",`;
      const lines = text.split("\n").filter((line) => line.startsWith(start));
      return lines.map((line) => line.slice(start.length).replaceAll('"', "")).sort();
    };
    const drop = (topic: string, status: string) =>
      `topic=${topic},process_status=drop,status=${status}} 1`;
    await expect
      .poll(() => counts("ingress"), { timeout: 5000 })
      .toEqual([
        "topic=again,process_status=retry,status=retry} 1",
        "topic=again,process_status=success,status=success} 1",
        drop("bad", "drop"),
        drop("dropped", "drop"),
        "topic=good,process_status=success,status=success} 2",
        drop("routed", "success"),
      ]);
    const sent = (topic: string, times = 1) => `topic=${topic},success=true} ${times}`;
    expect(await counts("egress")).toEqual([
      sent("again"),
      sent("bad"),
      sent("dropped"),
      "topic=forbidden,success=false} 1",
      sent("good", 2),
      sent("routed"),
    ]);
    expect(await counts("egress_bulk")).toEqual([sent("dead")]);
    const timed = ["ingress", "egress", "egress_bulk"].map((way) => counts(`${way}_latencies`));
    expect((await Promise.all(timed)).map((lines) => lines.length)).toEqual([6, 6, 1]);
    await sidecar.stop();
  });

  test.skipIf(spawnSync("promtool", ["--version"]).status !== 0)(
    "are text that promtool reads (needs promtool)",
    async () => {
      const sidecar = await startSidecar();
      await use(sidecar);
      const input = await (await fetch(sidecar.metrics)).text();
      // 3 is its opinion of daprd's names, 1 what it cannot read.
      expect([0, 3]).toContain(spawnSync("promtool", ["check", "metrics"], { input }).status);
      expect(spawnSync("promtool", ["check", "metrics"], { input: "a{ 1" }).status).toBe(1);
      await sidecar.stop();
    },
  );

  test("are off by --enable-metrics=false, and by a Configuration", async () => {
    const config = join(newFolder("config"), "c.yaml");
    writeFileSync(config, "kind: Configuration\nspec: { metrics: { enabled: false } }\n");
    for (const flag of ["--enable-metrics=false", `--config=${config}`]) {
      const sidecar = await startSidecar({ flags: [flag] });
      expect(sidecar.output()).toContain("HTTP server listening");
      expect(sidecar.output()).not.toContain("metrics server");
      await sidecar.stop();
    }
  });
});

test("the public port has metadata and health, without the token, and nothing else", async () => {
  const port = await freePort();
  const flags = ["--dapr-public-port", String(port), "--dapr-public-listen-address", "127.0.0.1"];
  const sidecar = await startSidecar({ flags, env: { DAPR_API_TOKEN: "a-token-1234" } });
  const open = `http://127.0.0.1:${port}/v1.0`;
  expect(await statusOf(`${sidecar.url}/v1.0/metadata`)).toBe(401);
  expect(await statusOf(`${open}/metadata`)).toBe(200);
  expect(await statusOf(`${open}/healthz`)).toBe(204);
  expect(await statusOf(`${open}/healthz/outbound`)).toBe(204);
  const headers = { "dapr-api-token": "a-token-1234" };
  for (const init of [{}, { headers }]) {
    expect(await statusOf(`${open}/state/statestore/k`, init)).toBe(404);
    expect(await statusOf(`${open}/metadata/x`, { ...init, method: "PUT", body: "y" })).toBe(404);
    expect(await statusOf(`${open}/shutdown`, { ...init, method: "POST" })).toBe(404);
  }
  expect(await statusOf(`${sidecar.url}/v1.0/state/statestore/k`, { headers })).toBe(204);
  await sidecar.stop();
});

test("profiles of V8 are there where they are asked for", async () => {
  const port = await freePort();
  const sidecar = await startSidecar({
    flags: ["--enable-profiling", "--profile-port", `${port}`],
  });
  const pprof = `http://127.0.0.1:${port}/debug/pprof`;
  expect(await (await fetch(`${pprof}/`)).text()).toContain("/debug/pprof/profile?seconds=30");
  const profile = (await (await fetch(`${pprof}/profile?seconds=0.2`)).json()) as object;
  expect(Object.keys(profile)).toEqual(expect.arrayContaining(["nodes", "samples"]));
  const heap = (await (await fetch(`${pprof}/heap`)).json()) as object;
  expect(Object.keys(heap)).toEqual(expect.arrayContaining(["snapshot", "nodes"]));
  expect(await statusOf(`${pprof}/profile?seconds=x`)).toBe(400);
  const first = fetch(`${pprof}/profile?seconds=1`);
  await expect.poll(() => statusOf(`${pprof}/profile?seconds=1`)).toBe(503);
  await first;
  await sidecar.stop();
  const plain = await startSidecar({ flags: ["--profile-port", `${port}`] });
  await expect(fetch(`${pprof}/`)).rejects.toThrow();
  await plain.stop();
});

describe("the log has a line for each request", () => {
  const called = (sidecar: RunningSidecar) =>
    sidecar
      .output()
      .split("\n")
      .filter((line) => line.includes("HTTP API Called"));

  test("by --enable-api-logging", async () => {
    const sidecar = await startSidecar({ flags: ["--enable-api-logging"] });
    await fetch(`${state(sidecar)}/k?metadata.secret=x`, { headers: { "user-agent": "tester" } });
    await expect.poll(() => called(sidecar)).toHaveLength(1);
    expect(called(sidecar)[0]).toMatch(
      / code=204 duration=\d+ instance=\S+ method="GET \/v1\.0\/state\/statestore\/k" scope=dapr\.runtime\.http-info size=0 type=log useragent=tester /,
    );
    await sidecar.stop();
  });

  test("by a Configuration, without keys and probes where that says so, and not where the flag says no", async () => {
    const config = join(newFolder("config"), "c.yaml");
    const logging = "{ enabled: true, obfuscateURLs: true, omitHealthChecks: true }";
    writeFileSync(config, `kind: Configuration\nspec: { logging: { apiLogging: ${logging} } }\n`);
    const sidecar = await startSidecar({ flags: ["--config", config] });
    await fetch(`${sidecar.url}/v1.0/healthz`);
    await fetch(`${state(sidecar)}/my-key`);
    await expect.poll(() => called(sidecar)).toHaveLength(1);
    expect(called(sidecar)[0]).toContain('method="GET /v1.0/state"');
    expect(sidecar.output()).not.toContain("my-key");
    await sidecar.stop();
    const quiet = await startSidecar({ flags: ["--config", config, "--enable-api-logging=false"] });
    await fetch(`${state(quiet)}/k`);
    await fetch(`${quiet.url}/v1.0/shutdown`, { method: "POST" });
    await quiet.exited;
    expect(called(quiet)).toEqual([]);
  });
});

test("a Configuration takes parts of the API away", async () => {
  const config = join(newFolder("config"), "c.yaml");
  const denied = "[{ name: shutdown, version: v1.0 }, { name: metadata, version: v1 }]";
  writeFileSync(config, `kind: Configuration\nspec: { api: { denied: ${denied} } }\n`);
  const sidecar = await startSidecar({ flags: ["--config", config] });
  expect(await statusOf(`${sidecar.url}/v1.0/shutdown`, { method: "POST" })).toBe(404);
  expect(await statusOf(`${sidecar.url}/v1.0/metadata`)).toBe(404);
  expect(await statusOf(`${state(sidecar)}/k`)).toBe(204);
  await sidecar.stop();
});

test("--allowed-origins lets pages of these origins in", async () => {
  const sidecar = await startSidecar({
    flags: ["--allowed-origins", "http://a.test,http://b.test"],
  });
  const allowed = async (origin: string) =>
    (await fetch(`${state(sidecar)}/k`, { headers: { origin } })).headers.get(
      "access-control-allow-origin",
    );
  expect(await allowed("http://b.test")).toBe("http://b.test");
  expect(await allowed("http://c.test")).toBe(null);
  await sidecar.stop();
});

test("--max-body-size is the limit of a body", async () => {
  const sidecar = await startSidecar({ flags: ["--max-body-size", "1Ki"] });
  const body = (size: number) => JSON.stringify([{ key: "k", value: "x".repeat(size) }]);
  const post = (size: number) => statusOf(state(sidecar), { method: "POST", body: body(size) });
  expect(await post(900)).toBe(204);
  expect(await post(1100)).toBe(400);
  await sidecar.stop();
});

test("2,000 components load", async () => {
  const resources = Object.fromEntries(
    Array.from({ length: 20 }, (_, file) => [
      `components-${file}.yaml`,
      Array.from({ length: 100 }, (_, at) => yaml(`store-${file * 100 + at}`)).join("---\n"),
    ]),
  );
  const sidecar = await startSidecar({ resources, flags: ["--log-level", "info"] });
  const [, ms] = /Init Elapsed (\d+)ms/.exec(sidecar.output()) ?? [];
  console.log(`a sidecar with 2,000 components was ready after ${ms} ms`);
  expect(Number(ms)).toBeLessThan(15_000);
  expect(await statusOf(`${sidecar.url}/v1.0/state/store-1999/k`)).toBe(204);
  await sidecar.stop();
}, 60_000);

function yaml(name: string): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${name} }
spec:
  type: state.in-memory
  version: v1
  metadata:
    - { name: keyPrefix, value: ${name} }
`;
}
