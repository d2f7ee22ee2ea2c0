import { beforeAll, describe, expect, test } from "vitest";
import { absent } from "../aws/_beds.ts";
import { type Outcome, type Step, steps, walk } from "../demo/steps.ts";
import { type TargetName, targets } from "../demo/targets.ts";
import { newFolder } from "../harness/folder.ts";
import { withoutNative } from "./_native.ts";

interface Variant {
  readonly title: string;
  readonly target: TargetName;
  readonly native?: true;
  readonly emulator?: "ministack";
}

const variants: readonly Variant[] = [
  { title: "node", target: "node" },
  { title: "workers", target: "workers" },
  { title: "lambda", target: "lambda" },
  { title: "lambda, native client", target: "lambda", native: true },
  { title: "lambda, ministack", target: "lambda", emulator: "ministack" },
];

// The example through the built package, with the answers that the demo expects, on each target.
for (const { title, target: name, native, emulator } of variants) {
  const reason = (native && withoutNative()) ?? (emulator && absent(emulator));
  describe.skipIf(reason)(
    `the order service on ${title}${reason ? ` (skipped: ${reason})` : ""}`,
    () => {
      let outcomes: Outcome[];
      beforeAll(async () => {
        const folder = newFolder("portability");
        const target = await targets[name]({ folder, broken: false, native, emulator });
        try {
          outcomes = await walk(target.url, target.restart);
        } finally {
          await target.stop();
        }
      });

      const requests = steps.filter((step): step is Step => "title" in step);
      test.each(requests.map(({ title }) => title))("%s", (request) => {
        const outcome = outcomes.find(({ title }) => title === request);
        expect(outcome).toBeDefined();
        expect(outcome).not.toHaveProperty("problem");
      });
    },
  );
}

describe("a target that forgets", () => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    const target = await targets.node({ folder: newFolder("forgets"), broken: true });
    outcomes = await walk(target.url, target.restart);
    await target.stop();
  });

  test("is found out by the reads after the crash, and by nothing before it", () => {
    const failed = outcomes.filter(({ problem }) => problem).map(({ title }) => title);
    expect(failed).toEqual([
      "read after kill -9",
      "read the stock",
      "update after kill -9",
      "out of the stock",
    ]);
  });
});
