/**
 * Breaks the code on purpose, one mutant at a time in each of six copies of the tree, and expects the named tests to fail:
 * `npm run test:mutants [-- part of a name]`.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../harness/folder.ts";
import { exitOnSignals, owned } from "../harness/process.ts";
import type { Mutant } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const LANES = 6;
const CONTROL_MS = 600_000;
const MUTANT_MS = 240_000;

const words = process.argv.slice(2);
const wanted = words.find((word) => !word.startsWith("--")) ?? "";
const chosen = mutants.filter(({ name }) => name.includes(wanted));
if (chosen.length === 0) {
  console.error(`no mutant's name contains ${wanted}`);
  process.exit(2);
}
const copies: string[] = [];
process.on("exit", () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});
exitOnSignals();

// The control: without a mutant the same tests pass, so that a red run means the mutant. Whoever has just seen all of them
// pass on this tree says so.
if (!words.includes("--tests-passed")) {
  const control = await runTests(
    newCopy(),
    chosen.flatMap(({ tests }) => tests),
    CONTROL_MS,
  );
  if (control.status !== 0) {
    console.error(control.output);
    console.error("The tests fail without any mutant.");
    process.exit(1);
  }
}

const first = await work(chosen, LANES);
if (first.length > 0)
  console.log("\nonce more, each by itself, since a busy machine may hide a fault:");
const survivors = first.length > 0 ? await work(first, 1) : first;
console.log(`\n${chosen.length - survivors.length} passed, ${survivors.length} failed`);
process.exitCode = survivors.length === 0 ? 0 : 1;

/** The survivors. */
async function work(given: readonly Mutant[], lanes: number): Promise<Mutant[]> {
  const queue = [...given];
  const survivors: Mutant[] = [];
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(copies[lane] ?? newCopy())));
  return survivors;

  async function run(copy: string): Promise<void> {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const started = performance.now();
      const caught = await tryOut(copy, mutant);
      if (!caught) survivors.push(mutant);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${caught ? "caught  " : "SURVIVED"} ${seconds.padStart(5)} s  ${mutant.name}`);
    }
  }
}

async function tryOut(copy: string, mutant: Mutant): Promise<boolean> {
  const { name, file, replace, by, tests } = mutant;
  const path = join(copy, file);
  const sound = readFileSync(path, "utf8");
  if (sound.split(replace).length !== 2) {
    throw new Error(`${name}: its text must stand exactly once in ${file}: ${replace}`);
  }
  writeFileSync(
    path,
    sound.replace(replace, () => by),
  );
  try {
    let run = await runTests(copy, tests, MUTANT_MS, ["--bail=1"]);
    // The first failure among tests that run at the same time may end the run before it is counted.
    if (!isJudged(run)) run = await runTests(copy, tests, MUTANT_MS);
    if (!isJudged(run)) throw new Error(`${name}: the tests did not judge it:\n${run.output}`);
    return run.status !== 0;
  } finally {
    writeFileSync(path, sound);
  }
}

interface Run {
  readonly status: number | null;
  readonly output: string;
}

/** A mutant that does not load, and a run that broke off, prove nothing about the tests. */
function isJudged({ status, output }: Run): boolean {
  if (/SyntaxError|Transform failed|Build failed/.test(output)) return false;
  return status === 0 || /Tests .*failed/.test(output);
}

function runTests(
  copy: string,
  files: readonly string[],
  timeout: number,
  options: readonly string[] = [],
): Promise<Run> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const words = ["run", ...options, "--testTimeout=8000", "--reporter=dot", ...new Set(files)];
  const child = owned(
    spawn(process.execPath, [vitest, ...words], {
      cwd: copy,
      timeout,
      env: { ...process.env, CI: "" },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return new Promise((resolve) => {
    child.once("close", (status) => resolve({ status, output }));
  });
}

function newCopy(): string {
  const copy = copyTree();
  copies.push(copy);
  return copy;
}

function copyTree(): string {
  const folder = mkdtempSync(join(tmpdir(), "pillion-mutants-"));
  for (const part of [
    "src",
    "bindings",
    "targets",
    "examples",
    "test",
    "package.json",
    "tsconfig.json",
    "vitest.config.ts",
  ]) {
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      filter: (path) => !path.includes("node_modules"),
    });
  }
  // The example imports the package by its name; the tests of mutants import sources.
  symlinkSync(join(root, "dist"), join(folder, "dist"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  symlinkSync(join(root, "test/lambda/node_modules"), join(folder, "test/lambda/node_modules"));
  return folder;
}
