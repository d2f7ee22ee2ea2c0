import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../harness/folder.ts";
import type { Mutant } from "../mutants/mutant.ts";
import { mutants } from "../mutants/mutants.ts";

/** Running all of them takes minutes: what has moved is to be noticed before. */
function fault({ file, replace, tests }: Pick<Mutant, "file" | "replace" | "tests">) {
  const absent = [file, ...tests].find((path) => !existsSync(join(root, path)));
  if (absent) return `there is no ${absent}`;
  const places = readFileSync(join(root, file), "utf8").split(replace).length - 1;
  return places === 1 ? undefined : `its text stands ${places} times in ${file}`;
}

test("every mutant changes one place of a file that there is", () => {
  const faults = mutants.map((mutant) => [mutant.name, fault(mutant)]);
  expect(faults.filter(([, found]) => found)).toEqual([]);
  expect(faults.length).toBeGreaterThan(200);
});

test("a mutant of what is not there is told", () => {
  const tests = ["test/package/mutants.test.ts"];
  expect(fault({ file: "src/nothing.ts", replace: "", tests })).toBe("there is no src/nothing.ts");
  expect(fault({ file: "package.json", replace: "no such text", tests })).toMatch(/0 times/);
  expect(fault({ file: "package.json", replace: '"', tests })).toMatch(/\d\d+ times/);
});
