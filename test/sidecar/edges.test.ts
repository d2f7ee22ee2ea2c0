import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { killSidecars, runSidecar, startSidecar } from "../harness/sidecar.ts";
import { connectRaw } from "./_raw.ts";

afterAll(killSidecars);

test("as it is built, a wrong flag is one line", async () => {
  const { code, stderr } = await runSidecar({ built: true, flags: ["--bogus", "1"] });
  expect(code).toBe(1);
  expect(stderr).toBe("pillion: there is no flag --bogus: see pillion sidecar --help\n");
});

test("a path that is none does not end a process that shows profiles", async () => {
  const sidecar = await startSidecar({ flags: ["--enable-profiling", "--profile-port", "0"] });
  const [, port] = /profil\S* .*127\.0\.0\.1:(\d+)/i.exec(sidecar.output()) ?? [];
  const raw = await connectRaw(Number(port));
  raw.send("GET // HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  expect(await raw.closed()).toMatch(/^HTTP\/1\.1 400 /);
  expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
  await sidecar.stop();
});

test("a signal after the API asked for the end does not cut off what is under way", async () => {
  const sidecar = await startSidecar();
  const raw = await connectRaw(sidecar.port);
  const body = '[{"key":"k","value":1}]';
  raw.send("POST /v1.0/state/statestore HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n");
  raw.send(`Content-Length: ${body.length}\r\n\r\n`);
  await raw.until(/100 Continue/);
  expect((await fetch(`${sidecar.url}/v1.0/shutdown`, { method: "POST" })).status).toBe(204);
  sidecar.signal("SIGTERM");
  await expect.poll(() => sidecar.output()).toMatch(/SIGTERM|beginning shutdown/);
  raw.send(body);
  expect(await raw.closed()).toContain("HTTP/1.1 204 ");
  expect(await sidecar.exited).toBe(0);
});

test("requests that were sent one behind the other are all answered, also at the end", async () => {
  const sidecar = await startSidecar();
  const raw = await connectRaw(sidecar.port);
  const count = 300;
  const body = (index: number) => `[{"key":"k${index}","value":1}]`;
  const requests = Array.from({ length: count }, (_, index) => {
    const text = body(index);
    return `POST /v1.0/state/statestore HTTP/1.1\r\nHost: h\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  });
  raw.send(requests.join(""));
  await raw.until(/HTTP\/1\.1 204/);
  sidecar.signal("SIGTERM");
  const answers = (await raw.closed()).match(/HTTP\/1\.1 204 /g);
  expect(answers).toHaveLength(count);
  expect(await sidecar.exited).toBe(0);
});

test("a connection that nobody used does not hold up the end", async () => {
  const sidecar = await startSidecar({ flags: ["--dapr-graceful-shutdown-seconds", "60"] });
  const raw = await connectRaw(sidecar.port);
  sidecar.signal("SIGTERM");
  expect(await sidecar.exited).toBe(0);
  expect(raw.received()).toBe("");
  expect(sidecar.output()).not.toContain("cut off");
});

const full = existsSync("/dev/full");
test.skipIf(!full)(
  `a full disk ends the log and not the process${full ? "" : " (skipped: no /dev/full)"}`,
  async () => {
    const { code, stderr } = await runSidecar({ flags: ["--log-file", "/dev/full", "--version"] });
    expect([code, stderr]).toEqual([0, ""]);
    const folder = newFolder("log");
    const file = join(folder, "sidecar.log");
    const broken = await runSidecar({
      flags: ["--log-file", "/dev/full", "--resources-path", "/none"],
    });
    expect(broken.code).toBe(1);
    expect(broken.stderr).not.toContain("ENOSPC");
    const sound = await runSidecar({ flags: ["--log-file", file, "--resources-path", "/none"] });
    expect(sound.code).toBe(1);
    expect(readFileSync(file, "utf8")).toContain("/none cannot be read");
  },
);

test("a file that is no socket is not taken for one that a dead process left", async () => {
  const folder = newFolder("socket");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "dapr-app-http.socket");
  writeFileSync(path, "precious");
  const { code, stdout } = await runSidecar({ id: "app", flags: ["--unix-domain-socket", folder] });
  expect(code).toBe(1);
  expect(stdout).toContain("it is no socket");
  expect(readFileSync(path, "utf8")).toBe("precious");
});
