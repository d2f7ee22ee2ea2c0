import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { ended } from "../harness/process.ts";

// The example as a user of Workers runs and deploys it, through the wrangler.toml at the top.
const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
const env = {
  ...process.env,
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG_PATH: newFolder("wrangler-log"),
};

test("every consumer of the example has the limit that its component is told, and a queue for what is lost", () => {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const [, ...consumers] = read("wrangler.toml").split("[[queues.consumers]]");
  const told = /pubsub\(\{ maxRetries: (\d+) \}\)/.exec(read("examples/orders/worker.ts"))?.[1];
  const found = consumers.map((text) => {
    const { queue } = /^queue = "(?<queue>.*)"$/m.exec(text)?.groups ?? {};
    return [queue, text.includes(`max_retries = ${told}\ndead_letter_queue = "${queue}-lost"`)];
  });
  expect(found).toEqual([
    ["orders", true],
    ["refunds", true],
  ]);
});

test("wrangler bundles the example for a deployment", async () => {
  const out = newFolder("wrangler");
  const command = [wrangler, "deploy", "--dry-run", "--minify", "--outdir", out];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root, env });
  expect(stdout).toContain("--dry-run: exiting now.");
});

test("wrangler dev serves the example, with state in its Durable Object and messages in its Queues", async () => {
  const port = String(await freePort());
  const command = [
    wrangler,
    "dev",
    "--port",
    port,
    "--inspector-port",
    "0",
    "--persist-to",
    newFolder("state"),
  ];
  const child = spawn(process.execPath, command, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (output += chunk));
  try {
    await expect.poll(() => output, { timeout: 25_000 }).toContain("Ready on");
    const url = `http://127.0.0.1:${port}`;
    const body = JSON.stringify({ id: "w-1", item: "saddle", quantity: 1 });
    expect((await fetch(`${url}/orders`, { method: "POST", body })).status).toBe(201);
    expect((await fetch(`${url}/orders`, { method: "POST", body })).status).toBe(409);
    const stock = JSON.stringify({ count: 1 });
    expect((await fetch(`${url}/stock/saddle`, { method: "PUT", body: stock })).status).toBe(204);
    expect((await fetch(`${url}/orders/w-1/pay`, { method: "POST" })).status).toBe(202);
    const status = async () => (await (await fetch(`${url}/orders/w-1`)).json()).status;
    await expect.poll(status, { timeout: 25_000 }).toBe("shipped");
  } finally {
    await ended(child, "SIGTERM");
  }
});
