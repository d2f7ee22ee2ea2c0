import { hostname } from "node:os";
import { expect, test } from "vitest";
import { createLog, type LogLevel } from "../../targets/cli/sidecar/log.ts";

function logged(options: { level?: LogLevel; json?: boolean } = {}) {
  const lines: string[] = [];
  const { level = "info", json = false } = options;
  const to = (line: string) => void lines.push(line);
  return { lines, log: createLog({ level, json, id: "app", version: "1.2.3", to }) };
}

test("lines are logfmt with daprd's fields", () => {
  const { lines, log } = logged();
  log.write("warning", 'two words and a "quote"\nand a line', { code: 200, method: "GET /x" });
  expect(lines).toEqual([
    expect.stringMatching(
      new RegExp(
        `^time="\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z" level=warning msg="two words and a \\\\"quote\\\\"\\\\nand a line" app_id=app code=200 instance=${hostname()} method="GET /x" scope=dapr\\.runtime type=log ver=1\\.2\\.3\n$`,
      ),
    ),
  ]);
});

test("--log-as-json writes the same fields in the order of their names", () => {
  const { lines, log } = logged({ json: true });
  log.scoped("dapr.other").write("error", "text", { code: 1 });
  const line = JSON.parse(lines[0] as string);
  expect(Object.keys(line)).toEqual(Object.keys(line).sort());
  expect(line).toEqual({
    app_id: "app",
    code: 1,
    instance: hostname(),
    level: "error",
    msg: "text",
    scope: "dapr.other",
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    type: "log",
    ver: "1.2.3",
  });
});

test.each([
  ["debug", 5],
  ["info", 4],
  ["warning", 3],
  ["error", 2],
  ["fatal", 1],
] as const)("at level %s there are %i of the five", (level, count) => {
  const { lines, log } = logged({ level });
  for (const of of ["debug", "info", "warning", "error", "fatal"] as const) log.write(of, "text");
  expect(lines).toHaveLength(count);
});
