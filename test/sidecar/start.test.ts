import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import {
  componentYaml,
  killSidecars,
  memoryStore,
  runSidecar,
  type SidecarOptions,
  startSidecar,
} from "../harness/sidecar.ts";

afterAll(killSidecars);

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers.splice(0)) server.close();
});

async function takenPort(): Promise<number> {
  const server = createServer((_, response) => void response.writeHead(404).end()).listen(
    0,
    "127.0.0.1",
  );
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as AddressInfo).port;
}

const broken = (text: string): SidecarOptions => ({ resources: { "store.yaml": text } });

describe("a sidecar that cannot start says why in one line, and ends with 1", () => {
  const fatal = ({ stdout }: { stdout: string }) =>
    stdout.split("\n").filter((line) => /level=(fatal|error)/.test(line));

  const cases: Record<
    string,
    { options: () => SidecarOptions | Promise<SidecarOptions>; says: RegExp }
  > = {
    "a port that is taken": {
      options: async () => ({ flags: ["--dapr-http-port", String(await takenPort())] }),
      says: /cannot listen on port \d+ of 127\.0\.0\.1: it is in use: .* another with --dapr-http-port/,
    },
    "a metrics port that is taken": {
      options: async () => ({ flags: ["--metrics-port", String(await takenPort())] }),
      says: /cannot listen on port \d+ .* with --metrics-port/,
    },
    "an address that the machine lacks": {
      options: () => ({ flags: ["--dapr-listen-addresses", "192.0.2.1"] }),
      says: /cannot listen on port 0 of 192\.0\.2\.1: .*: change --dapr-listen-addresses/,
    },
    "a folder that there is not": {
      options: () => ({ flags: ["--resources-path", "/nope"] }),
      says: /resources \/nope cannot be read: it does not exist/,
    },
    "YAML that is none": {
      options: () => broken("kind: [\n"),
      says: /store\.yaml:2:1: this is not YAML/,
    },
    "a type that there is not": {
      options: () => broken(componentYaml("store", "state.nope")),
      says: /store\.yaml:5: spec\.type: there is no component type state\.nope/,
    },
    "a setting that is missing": {
      options: () => broken(componentYaml("store", "state.sqlite")),
      says: /store\.yaml:5: component store needs the setting connectionString/,
    },
    "a Redis that does not answer": {
      options: () =>
        broken(
          componentYaml(
            "store",
            "state.redis",
            { redisHost: "127.0.0.1:1" },
            "  initTimeout: 300ms\n",
          ),
        ),
      says: /component store \(\S+store\.yaml:5\) did not start: .*(300 ms|cannot be reached|127\.0\.0\.1:1)/,
    },
    "a Configuration that there is not": {
      options: () => ({ flags: ["--config", "/nope.yaml"] }),
      says: /--config \/nope\.yaml cannot be read: it does not exist/,
    },
    "a folder for the socket that there is not": {
      options: () => ({ flags: ["--unix-domain-socket", "/nope"] }),
      says: /--unix-domain-socket: cannot listen on \/nope\/dapr-app-http\.socket/,
    },
    "a rule for a part of the API that there is not": {
      options: () => ({
        flags: ["--config", configFile("api: { denied: [{ name: stat3, version: v1.0 }] }")],
      }),
      says: /the API has no .*stat3/,
    },
  };

  test.concurrent.each(Object.entries(cases))("for %s", async (_name, { options, says }) => {
    const result = await runSidecar(await options());
    expect(result).toMatchObject({ code: 1, stderr: "" });
    expect(fatal(result)).toEqual([expect.stringMatching(says)]);
    expect(result.stdout).not.toMatch(/\n\s+at /);
  });

  test.skipIf(process.getuid?.() === 0)(
    "for a folder that this user may not read (root may read every folder)",
    async () => {
      const folder = newFolder("closed");
      mkdirSync(join(folder, "x"));
      chmodSync(join(folder, "x"), 0);
      const result = await runSidecar({ flags: ["--resources-path", join(folder, "x")] });
      expect(fatal(result)).toEqual([expect.stringMatching(/this user may not read it/)]);
    },
  );

  test.each([
    [["--dapr-http-prt", "1"], "there is no flag --dapr-http-prt: did you mean --dapr-http-port?"],
    [["--app-id", ""], "--app-id is missing: --app-id orders"],
    [["--mode=kubernetes"], /^--mode kubernetes is not built/],
    [["--log-file", "/nope/log"], "--log-file /nope/log cannot be written: ENOENT"],
  ])("for the flags %j, on standard error", async (flags, message) => {
    const { code, stdout, stderr } = await runSidecar({ flags });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^pillion: .*\n$/);
    const wanted = typeof message === "string" ? expect.stringContaining(message) : undefined;
    expect(stderr.slice("pillion: ".length, -1)).toEqual(wanted ?? expect.stringMatching(message));
  });
});

function configFile(spec: string): string {
  const path = join(newFolder("config"), "config.yaml");
  writeFileSync(path, `kind: Configuration\nspec:\n  ${spec}\n`);
  return path;
}

describe("a sidecar starts", () => {
  test("with an empty environment in any folder, and says where it listens", async () => {
    const sidecar = await startSidecar();
    expect(sidecar.output()).toMatch(
      /level=info msg="Component loaded: statestore \(state\.in-mem/,
    );
    expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
    expect(sidecar.output()).toMatch(
      /msg="dapr initialized\. Status: Running\. Init Elapsed \d+ms"/,
    );
    await sidecar.stop();
  });

  test("on both loopback addresses, or on those that it is given", async () => {
    const both = await startSidecar();
    expect(both.output()).toContain(`127.0.0.1:${both.port}`);
    expect(both.output()).toContain(`[::1]:${both.port}`);
    await both.stop();
    const one = await startSidecar({ flags: ["--dapr-listen-addresses", "127.0.0.1"] });
    expect(one.output()).not.toContain("[::1]");
    await one.stop();
  });

  test("without a component whose ignoreErrors says so, and warns", async () => {
    const away = componentYaml(
      "away",
      "state.redis",
      { redisHost: "127.0.0.1:1" },
      "  initTimeout: 200ms\n  ignoreErrors: true\n",
    );
    const sidecar = await startSidecar({
      resources: { "a.yaml": away, "b.yaml": memoryStore },
    });
    expect(sidecar.output()).toMatch(/level=warning msg="component away .* did not start/);
    expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
    await sidecar.stop();
  });

  test("without the components of a type that its Configuration refuses", async () => {
    const flags = ["--config", configFile("components: { deny: [state.in-memory/v1] }")];
    const sidecar = await startSidecar({ flags });
    expect(sidecar.output()).toMatch(/component statestore is left out: components\.deny/);
    expect((await fetch(`${sidecar.url}/v1.0/state/statestore/k`)).status).toBe(500);
    await sidecar.stop();
  });

  test("with the components of its namespace", async () => {
    const elsewhere = memoryStore.replace("name: statestore", "name: other, namespace: prod");
    const resources = { "a.yaml": elsewhere, "b.yaml": memoryStore };
    for (const [NAMESPACE, count] of [
      ["prod", 2],
      ["dev", 1],
    ] as const) {
      const sidecar = await startSidecar({ resources, env: { NAMESPACE } });
      const metadata = (await (await fetch(`${sidecar.url}/v1.0/metadata`)).json()) as {
        components: unknown[];
      };
      expect(metadata.components).toHaveLength(count);
      await sidecar.stop();
    }
  });

  test("with a log in a file, and then prints nothing", async () => {
    const file = join(newFolder("log"), "log");
    const flags = ["--log-file", file, "--log-as-json"];
    const running = runSidecar({ flags });
    await expect.poll(() => readFileSync(file, "utf8"), { timeout: 5000 }).toContain("dapr init");
    const lines = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const { port } = /127\.0\.0\.1:(?<port>\d+)/.exec(JSON.stringify(lines))?.groups ?? {};
    await fetch(`http://127.0.0.1:${port}/v1.0/shutdown`, { method: "POST" });
    expect(await running).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("health with --app-port", () => {
  test("is red until the app listens, while the rest of the API answers", async () => {
    const port = await takenPort();
    const app = servers.pop() as Server;
    await new Promise((resolve) => app.close(resolve));
    const sidecar = await startSidecar({
      flags: ["--app-port", String(port)],
      until: "waiting on",
    });
    const status = async (path: string) => (await fetch(`${sidecar.url}/v1.0/${path}`)).status;
    const red = await fetch(`${sidecar.url}/v1.0/healthz`);
    expect([red.status, await red.text()]).toEqual([
      500,
      '{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [app]"}',
    ]);
    expect(await status("metadata")).toBe(200);
    expect(await status("healthz/outbound")).toBe(204);
    await sleep(200);
    expect(await status("healthz")).toBe(500);
    app.listen(port, "127.0.0.1");
    await expect.poll(() => status("healthz"), { timeout: 5000 }).toBe(204);
    expect(sidecar.output()).toMatch(/application discovered on port \d+[\s\S]*dapr initialized/);
    await sidecar.stop();
    app.close();
  });

  test("does not keep a sidecar from ending", async () => {
    const sidecar = await startSidecar({ flags: ["--app-port", "1"], until: "waiting on" });
    sidecar.signal("SIGTERM");
    expect(await sidecar.exited).toBe(0);
  });
});

describe("a sidecar on a Unix domain socket", () => {
  test("replaces one that a dead process left, and takes it along", async () => {
    const folder = newFolder("socket");
    const flags = ["--unix-domain-socket", folder];
    const first = await startSidecar({ flags });
    expect(readdirSync(folder)).toEqual(["dapr-app-http.socket"]);
    const second = await runSidecar({ flags });
    expect(second.stdout).toMatch(/level=fatal .*another process has it/);
    await first.kill();
    expect(readdirSync(folder)).toHaveLength(1);
    const third = await startSidecar({ flags });
    expect(third.output()).toContain("UNIX socket");
    await third.stop();
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("--wait ends with 0 once another sidecar is ready, and --version and --build-info print", async () => {
  const sidecar = await startSidecar();
  const wait = await runSidecar({ flags: ["--wait", "--dapr-http-port", String(sidecar.port)] });
  expect(wait).toMatchObject({ code: 0, stdout: "" });
  await sidecar.stop();
  expect(await runSidecar({ flags: ["--version"] })).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  const { stdout } = await runSidecar({ flags: ["--build-info"] });
  expect(stdout).toMatch(/^Version: 0\.1\.0\nNode: \S+\nV8: \S+\n$/);
});
