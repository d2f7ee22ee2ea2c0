import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killSidecars, type RunningSidecar, startSidecar } from "../harness/sidecar.ts";

afterAll(killSidecars);

const run = promisify(execFile);
const has = (command: string, ...words: string[]) => spawnSync(command, words).status === 0;
/** Never skipped on CI, where what is absent must fail. */
const lacks = (there: boolean) => !there && process.env.CI !== "true";

let sidecar: RunningSidecar;
beforeAll(async () => {
  sidecar = await startSidecar();
});
afterAll(() => sidecar?.stop());

test.skipIf(lacks(has("curl", "--version")))(
  "curl saves, with and without asking first, gets by one connection, and deletes (needs curl)",
  async () => {
    const state = `${sidecar.url}/v1.0/state/statestore`;
    const curl = async (...words: string[]) =>
      (await run("curl", ["-sS", "-w", " %{http_code} %{num_connects}\n", ...words])).stdout;
    const large = JSON.stringify([{ key: "large", value: "x".repeat(2_000_000) }]);
    const post = spawnSync(
      "curl",
      ["-sS", "-w", "%{http_code}", "-H", "Expect: 100-continue", "--data-binary", "@-", state],
      { input: large },
    );
    expect(String(post.stdout)).toBe("204");
    expect(await curl("-d", '[{"key":"k","value":{"a":1}}]', state)).toBe(" 204 1\n");
    expect(await curl(`${state}/k`, `${state}/k`)).toBe('{"a":1} 200 1\n{"a":1} 200 0\n');
    expect(await curl("-X", "DELETE", `${state}/k`)).toBe(" 204 1\n");
    expect(await curl(`${state}/k`)).toBe(" 204 1\n");
    expect(await curl("-I", `${state}/large`)).toMatch(/ 404 1\n$/);
  },
);

const python = `
import json, sys
url = sys.argv[1] + "/v1.0/state/statestore"
try:
    import requests
    def call(method, url, body=None):
        answer = requests.request(method, url, json=body)
        return answer.status_code, answer.text, answer.headers.get("etag")
except ImportError:
    import urllib.error, urllib.request
    def call(method, url, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        try:
            answer = urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method))
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.read().decode(), answer.headers.get("etag")
print(call("POST", url, [{"key": "python", "value": {"a": 1}}])[0])
status, text, etag = call("GET", url + "/python")
print(status, text)
print(call("POST", url, [{"key": "python", "value": 2, "etag": etag}])[0])
print(call("POST", url, [{"key": "python", "value": 3, "etag": etag}])[0])
print(call("POST", url + "/bulk", {"keys": ["python", "none"]})[0])
print(call("GET", url + "/none")[0], call("GET", sys.argv[1] + "/v1.0/healthz")[0])
`;

test.skipIf(lacks(has("python3", "--version")))(
  "Python saves, gets, and is told of a stale ETag (needs python3)",
  async () => {
    const { stdout } = await run("python3", ["-c", python, sidecar.url]);
    expect(stdout).toBe('204\n200 {"a":1}\n204\n409\n200\n204 204\n');
  },
);
