import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { main } from "../../targets/cli/main.ts";
import { root } from "../harness/folder.ts";
import { killSidecars, startSidecar } from "../harness/sidecar.ts";
import { manifestOf } from "./_exports.ts";

afterAll(killSidecars);

const printed = { stdout: "", stderr: "" };

beforeEach(() => {
  Object.assign(printed, { stdout: "", stderr: "" });
  vi.spyOn(console, "log").mockImplementation((text) => void (printed.stdout += `${text}\n`));
  vi.spyOn(console, "error").mockImplementation((text) => void (printed.stderr += `${text}\n`));
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function pillion(...words: string[]) {
  return { code: await main(words), ...printed };
}

describe("pillion", () => {
  test.each(["--version", "-v"])("%s prints the version", async (option) => {
    const { version } = manifestOf(root);
    expect(await pillion(option)).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test.each([[], ["--help"], ["-h"], ["components", "--help"]])(
    "%s shows the commands",
    async (...words) => {
      const { code, stdout, stderr } = await pillion(...words);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^pillion: Dapr's building blocks.*\n\nUsage: pillion <command>\n/);
      expect(stdout).toContain("\n  components <type> ");
    },
  );

  test.each([
    [["componets"], "there is no command componets: did you mean components?"],
    [["help"], "there is no command help: did you mean --help?"],
    [["sidcar"], "there is no command sidcar: did you mean sidecar?"],
    [["sidecar"], "--app-id is missing: --app-id orders"],
    [["sidecar", "--app-di", "x"], "there is no flag --app-di: did you mean --app-id?"],
    [["constructor"], "there is no command constructor: see pillion --help"],
    [["--vresion"], "there is no option --vresion: did you mean --version?"],
    [["components", "-x"], "there is no option -x: see pillion --help"],
    [["components", "a", "b"], "components takes one word at most, not 2: see pillion --help"],
    [
      ["components", "state.dynamodb"],
      "there is no component type state.dynamodb: did you mean state.aws.dynamodb?",
    ],
    [
      ["components", "pubsub.pulsar"],
      "there is no component type pubsub.pulsar: pillion components lists them",
    ],
    [
      ["components", "toString"],
      "there is no component type toString: pillion components lists them",
    ],
  ])("%j is answered with one line and code 1", async (words, message) => {
    expect(await pillion(...words)).toEqual({
      code: 1,
      stdout: "",
      stderr: `pillion: ${message}\n`,
    });
  });
});

describe("pillion sidecar", () => {
  test("shows daprd's flags", async () => {
    const { code, stdout, stderr } = await pillion("sidecar", "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      /^ {2}--dapr-http-port port +port of the HTTP API;.* \(default 3500\)$/m,
    );
  });

  test("is built with each driver, and the parser of YAML, in a file of its own", () => {
    const built = (name: string) =>
      readFileSync(join(root, "dist/targets/cli/sidecar", `${name}.js`), "utf8");
    const marks = {
      resources: "parseAllDocuments",
      "parts/redis": "ioredis",
      "parts/postgresql": "pg-pool",
      "parts/upstash": "Upstash-Telemetry",
    };
    for (const [name, mark] of Object.entries(marks)) {
      expect(built(name), name).toContain(mark);
      expect(built(name), name).toMatch(/\n\/\*\n[\s\S]*(MIT|ISC)[\s\S]*\*\/\n$/);
      expect(built("main"), name).not.toContain(mark);
    }
    // Somebody who runs the compiler alone has files that import each other.
    expect(built("main")).not.toContain('"./run.js"');
  });

  test("runs as it is built, with an empty environment, in any folder", async () => {
    const sidecar = await startSidecar({ built: true });
    expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
    sidecar.signal("SIGTERM");
    expect(await sidecar.exited).toBe(0);
  });
});

describe("pillion components", () => {
  test("says of every type where it runs and what it can do", async () => {
    const { code, stdout, stderr } = await pillion("components");
    const cells = stdout.split("\n").map((line) => line.split(/ {2,}/));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(cells[0]).toEqual(["TYPE", "RUNS ON", "FEATURES"]);
    expect(cells).toContainEqual(["state.sqlite", "node", "ETAG, TRANSACTIONAL, TTL, LIST"]);
    expect(cells).toContainEqual([
      "state.aws.dynamodb",
      "node, workers, lambda",
      "ETAG, TRANSACTIONAL, TTL (with ttlAttributeName), LIST (with scan)",
    ]);
  });

  test("shows the settings of one type", async () => {
    const { code, stdout, stderr } = await pillion("components", "state.sqlite");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      /^state\.sqlite\n {2}runs on {3}node\n {2}features {2}ETAG, TRANSACTIONAL, TTL, LIST\n\nSettings:\n/,
    );
    expect(stdout).toMatch(
      /\n {2}connectionString {2}\(string, required\)\n {6}Path of the database file/,
    );
    expect(stdout).toMatch(
      /\n {2}busyTimeout {2}\(duration, default 2\)\n {6}How long a call waits/,
    );
    expect(stdout).toMatch(/\n {2}keyPrefix {2}\(string, default "appid"\)\n/);
  });

  test("marks what is secret and what only code can give", async () => {
    const { stdout } = await pillion("components", "state.aws.dynamodb");
    expect(stdout).toContain("\n  secretKey  (string, sensitive)\n");
    expect(stdout).toContain("\n  transport  (only in TypeScript)\n");
  });
});
