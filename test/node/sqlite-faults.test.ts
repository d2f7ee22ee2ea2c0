import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";

const writer = fileURLToPath(new URL("_writer.ts", import.meta.url));

function start(...args: string[]) {
  const child = spawn(process.execPath, [writer, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const exited = new Promise<NodeJS.Signals | number | null>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code)),
  );
  return { child, exited, lines: () => output.split("\n").slice(0, -1) };
}

function stateOn(file: string) {
  const components = { store: sqlite.state({ connectionString: file }) };
  return createRuntime({ id: "writer", components, host: processHost("node") }).blocks.state(
    "store",
  );
}

test("kill -9 six times within 10,000 writes: every acknowledged write is there", async () => {
  const file = join(newFolder("kill"), "state.db");
  const total = 10_000;
  const acknowledged = new Set<number>();
  let kills = 0;
  let next = 0;
  while (next < total) {
    const { child, exited, lines } = start(file, "write", String(next), String(total - next));
    // Early in what is left, so that it falls in the middle also where this process is slow to see the lines.
    const target = kills < 6 ? Math.min(800, (total - next) / 4) : Number.POSITIVE_INFINITY;
    const poll = setInterval(() => lines().length >= target && child.kill("SIGKILL"), 2);
    const how = await exited;
    clearInterval(poll);
    for (const line of lines()) acknowledged.add(Number(line));
    next = Math.max(...acknowledged) + 1;
    // The log outside shows that the kill fell between writes that were still to come.
    if (how === "SIGKILL" && next < total) kills++;
    else if (how !== "SIGKILL") expect(how).toBe(0);
  }
  expect(kills).toBeGreaterThanOrEqual(5);
  expect(acknowledged.size).toBe(total);
  const keys = [...acknowledged].map((n) => `key-${n}`);
  const items = await stateOn(file).getBulk(keys);
  const lost = items.flatMap(({ key, value }, index) =>
    (value as { n?: number })?.n === [...acknowledged][index] ? [] : [key],
  );
  expect(lost).toEqual([]);
}, 120_000);

test("64 writers in two processes on one key: conflicts, and no update lost", async () => {
  const file = join(newFolder("race"), "state.db");
  const both = [start(file, "update", "32", "10"), start(file, "update", "32", "10")];
  expect(await Promise.all(both.map(({ exited }) => exited))).toEqual([0, 0]);
  const conflicts = both.map(({ lines }) => Number(lines().at(-1)?.split(" ")[1]));
  expect(Math.min(...conflicts)).toBeGreaterThan(0);
  expect(await stateOn(file).get("counter")).toBe(640);
}, 120_000);

test("eight processes that start at once on a file that is not there make it once", async () => {
  const file = join(newFolder("start"), "deep/er/state.db");
  const all = Array.from({ length: 8 }, (_, index) => start(file, "write", String(index), "1"));
  expect(await Promise.all(all.map(({ exited }) => exited))).toEqual(Array(8).fill(0));
  const items = await stateOn(file).getBulk(all.map((_, index) => `key-${index}`));
  expect(items.map(({ value }) => (value as { n: number }).n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
}, 60_000);
