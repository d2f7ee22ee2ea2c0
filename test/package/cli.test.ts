import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { main } from "../../targets/cli/main.ts";
import { root } from "../harness/folder.ts";
import { manifestOf } from "./_exports.ts";

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
    [["sidecar"], "there is no command sidecar: see pillion --help"],
    [["constructor"], "there is no command constructor: see pillion --help"],
    [["--vresion"], "there is no option --vresion: did you mean --version?"],
    [["components", "-x"], "there is no option -x: see pillion --help"],
    [["components", "a", "b"], "components takes one word at most, not 2: see pillion --help"],
    [
      ["components", "state.dynamodb"],
      "there is no component type state.dynamodb: did you mean state.aws.dynamodb?",
    ],
    [
      ["components", "pubsub.kafka"],
      "there is no component type pubsub.kafka: pillion components lists them",
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
