/**
 * Breaks the code on purpose, one mutant at a time, in a copy of the tree, and expects the named tests to fail:
 * `npm run test:mutants [-- part of a name]`.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../harness/folder.ts";
import type { Mutant } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const wanted = process.argv[2] ?? "";
const copy = copyTree();
process.on("exit", () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

const chosen = mutants.filter(({ name }) => name.includes(wanted));
if (chosen.length === 0) {
  console.error(`no mutant's name contains ${wanted}`);
  process.exit(2);
}
const tests = [...new Set(chosen.flatMap(({ tests }) => tests))];
// The control: without a mutant the same tests pass, so that a red run means the mutant.
const control = runTests(tests);
if (control.status !== 0) {
  console.error(control.stdout);
  console.error("The tests fail without any mutant.");
  process.exit(1);
}

let survivors = 0;
for (const mutant of chosen) {
  const started = performance.now();
  const caught = tryOut(mutant);
  if (!caught) survivors++;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${caught ? "caught  " : "SURVIVED"} ${seconds.padStart(5)} s  ${mutant.name}`);
}
console.log(`\n${chosen.length - survivors} passed, ${survivors} failed`);
process.exitCode = survivors === 0 ? 0 : 1;

function tryOut({ name, file, replace, by, tests }: Mutant): boolean {
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
    const { status, stdout } = runTests(tests);
    // A mutant that does not load, and a run that broke off, prove nothing about the tests.
    const judged = status === 0 || /Tests .*failed/.test(stdout);
    if (!judged || /SyntaxError|Transform failed|Build failed/.test(stdout))
      throw new Error(`${name}: the tests did not judge it:\n${stdout}`);
    return status !== 0;
  } finally {
    writeFileSync(path, sound);
  }
}

function runTests(files: readonly string[]) {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, "run", "--bail=1", "--testTimeout=8000", "--reporter=dot", ...files],
    { cwd: copy, encoding: "utf8", timeout: 120_000, env: { ...process.env, CI: "" } },
  );
  return { status, stdout: stdout + stderr };
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
