import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { absentRedis, startRedis } from "../harness/redis.ts";
import {
  componentYaml,
  killSidecars,
  type RunningSidecar,
  startSidecar,
} from "../harness/sidecar.ts";
import { connectRaw } from "./_raw.ts";

afterAll(killSidecars);

/** A request that is under way until its body is complete. */
async function half(sidecar: RunningSidecar) {
  const raw = await connectRaw(sidecar.port);
  const body = '[{"key":"k","value":1}]';
  raw.send("POST /v1.0/state/statestore HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n");
  raw.send(`Content-Length: ${body.length}\r\n\r\n`);
  await raw.until(/100 Continue/);
  return { finish: () => raw.send(body), closed: () => raw.closed() };
}

describe("a sidecar ends", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "on %s with 0, after the request that is under way",
    async (signal) => {
      const sidecar = await startSidecar();
      const request = await half(sidecar);
      sidecar.signal(signal);
      await expect.poll(() => sidecar.output()).toContain("beginning shutdown");
      const refused = (error: NodeJS.ErrnoException) => error.code;
      await expect.poll(() => connectRaw(sidecar.port).catch(refused)).toBe("ECONNREFUSED");
      expect(sidecar.exitCode()).toBe(null);
      request.finish();
      expect(await request.closed()).toMatch(/HTTP\/1.1 204 [\s\S]*Connection: close/);
      expect(await sidecar.exited).toBe(0);
      expect(sidecar.output()).toContain("Daprd shutdown gracefully");
    },
  );

  test("when the API asks for it, and answers that first", async () => {
    const sidecar = await startSidecar();
    const response = await fetch(`${sidecar.url}/v1.0/shutdown`, { method: "POST" });
    expect(response.status).toBe(204);
    expect(await sidecar.exited).toBe(0);
  });

  test("at once when the API asks by force, whatever is under way", async () => {
    const sidecar = await startSidecar({ flags: ["--dapr-graceful-shutdown-seconds", "60"] });
    await half(sidecar);
    const headers = { "dapr-force-shutdown": "true" };
    const response = await fetch(`${sidecar.url}/v1.0/shutdown`, { method: "POST", headers });
    expect(response.status).toBe(204);
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.output()).not.toContain("shutdown gracefully");
  });

  test("within its time, and cuts off what is then under way", async () => {
    const sidecar = await startSidecar({ flags: ["--dapr-graceful-shutdown-seconds", "1"] });
    const request = await half(sidecar);
    sidecar.signal("SIGTERM");
    await request.closed();
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.output()).toMatch(/level=warning msg="requests that were still under way/);
  });

  test("at once on a second signal", async () => {
    const sidecar = await startSidecar({ flags: ["--dapr-graceful-shutdown-seconds", "60"] });
    await half(sidecar);
    sidecar.signal("SIGTERM");
    await expect.poll(() => sidecar.output()).toContain("beginning shutdown");
    sidecar.signal("SIGTERM");
    expect(await sidecar.exited).toBe(130);
  });

  test("after --dapr-block-shutdown-duration, in which it serves on", async () => {
    const sidecar = await startSidecar({ flags: ["--dapr-block-shutdown-duration", "500ms"] });
    sidecar.signal("SIGTERM");
    await expect.poll(() => sidecar.output()).toContain("Blocking graceful shutdown for 500 ms");
    expect((await fetch(`${sidecar.url}/v1.0/metadata`)).status).toBe(200);
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.output()).toContain("Block shutdown period expired");
  });

  test("while a component does not answer", async ({ skip }) => {
    const reason = absentRedis();
    if (reason) skip(reason);
    const redis = await startRedis();
    const yaml = componentYaml("statestore", "state.redis", { redisHost: redis.address });
    const sidecar = await startSidecar({
      resources: { "store.yaml": yaml },
      flags: ["--dapr-graceful-shutdown-seconds", "1"],
    });
    redis.freeze();
    const left = fetch(`${sidecar.url}/v1.0/state/statestore/k`).catch(() => undefined);
    await sleep(50);
    sidecar.signal("SIGTERM");
    expect(await sidecar.exited).toBe(0);
    await left;
    await redis.stop();
  });
});

describe("under load", () => {
  test("SIGTERM leaves no request that was accepted without its answer", async () => {
    const sidecar = await startSidecar();
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const counts = { answered: 0, refused: 0 };
    const lost: string[] = [];
    let stopped = false;

    async function client(): Promise<void> {
      while (!stopped) {
        const outcome = await once(agent, sidecar.port);
        if (outcome === "answered") counts.answered++;
        else if (outcome === "refused") counts.refused++;
        else lost.push(outcome);
        if (outcome !== "answered") return;
      }
    }
    const clients = Promise.all(Array.from({ length: 16 }, client));
    await expect.poll(() => counts.answered, { timeout: 10_000 }).toBeGreaterThan(500);
    sidecar.signal("SIGTERM");
    expect(await sidecar.exited).toBe(0);
    stopped = true;
    await clients;
    agent.destroy();
    expect(lost).toEqual([]);
    expect(counts.refused).toBeGreaterThan(0);
  });
});

/** A connection that was never made has accepted nothing. */
function once(agent: Agent, port: number): Promise<string> {
  return new Promise((resolve) => {
    const options = { agent, port, host: "127.0.0.1", path: "/v1.0/state/statestore/k" };
    const request = get(options, (response) => {
      response.on("error", (error) => resolve(`cut in the middle: ${error.message}`));
      response.resume().on("end", () => resolve("answered"));
    });
    request.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" ? "refused" : `lost: ${error.code}`),
    );
  });
}
