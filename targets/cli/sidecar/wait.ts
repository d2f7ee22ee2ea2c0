import { setTimeout as sleep } from "node:timers/promises";

const LIMIT_MS = 60_000;
const { get } = process.getBuiltinModule("node:http");

/** Waits until the sidecar on a port of this machine can be used; resolves to whether it can, within a minute. */
export async function waitForSidecar(port: number, say: (text: string) => void): Promise<boolean> {
  const url = `http://localhost:${port}/v1.0/healthz/outbound`;
  say(`waiting up to ${LIMIT_MS / 1000} s for ${url}`);
  const until = performance.now() + LIMIT_MS;
  while (performance.now() < until) {
    if ((await statusOf(url)) === 204) return true;
    await sleep(100);
  }
  return false;
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: 500 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("timeout", () => request.destroy()).on("error", () => resolve(undefined));
  });
}
