import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stateCases } from "../../src/conformance/index.ts";
import { root } from "../harness/folder.ts";

const page = readFileSync(join(root, "docs/differences-from-dapr.md"), "utf8");

/** The last column of every row. */
const proofs = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (Subject|---)/.test(line))
  .map(
    (line) =>
      line
        .split(" | ")
        .at(-1)
        ?.replace(/\s*\|$/, "")
        .trim() as string,
  );

/** What is wrong with a row's proof: undefined for a test that there is. */
function fault(proof: string): string | undefined {
  const [, name] = /^conformance: "(.*)"$/.exec(proof) ?? [];
  if (name !== undefined) return Object.hasOwn(stateCases, name) ? undefined : "no such case";
  const [, file, title] = /^`(test\/[^`]+)`(?:: "(.*)")?$/.exec(proof) ?? [];
  if (file === undefined || !existsSync(join(root, file))) return "no such file";
  const text = readFileSync(join(root, file), "utf8");
  // A title may be cut off with …, or leave out what differs from case to case.
  const parts = title?.split("…").map((part) => part.trim()) ?? [];
  return parts.every((part) => text.includes(part)) ? undefined : "no such title in the file";
}

test("every difference from Dapr names a test that there is", () => {
  expect(proofs.length).toBeGreaterThan(30);
  const faults = proofs.flatMap((proof) => {
    const why = fault(proof);
    return why === undefined ? [] : [`${proof}: ${why}`];
  });
  expect(faults).toEqual([]);
});

test("a proof that is none is found", () => {
  expect(fault('conformance: "made up"')).toBe("no such case");
  expect(fault("`test/made-up.test.ts`")).toBe("no such file");
  expect(fault('`test/memory.test.ts`: "made up"')).toBe("no such title in the file");
});
