import { beforeAll, describe, expect, test } from "vitest";
import { type Outcome, type Step, steps, walk } from "../demo/steps.ts";
import { targetNames, targets } from "../demo/targets.ts";
import { newFolder } from "../harness/folder.ts";

// The example through the built package, with the answers that the demo expects, on each target.
describe.each(targetNames)("the order service on %s", (name) => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    const target = await targets[name]({ folder: newFolder("portability"), broken: false });
    try {
      outcomes = await walk(target.url, target.restart);
    } finally {
      await target.stop();
    }
  });

  const requests = steps.filter((step): step is Step => "title" in step);
  test.each(requests.map(({ title }) => title))("%s", (title) => {
    expect(outcomes.find((outcome) => outcome.title === title)).not.toHaveProperty("problem");
  });
});

describe("a target that forgets", () => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    const target = await targets.node({ folder: newFolder("forgets"), broken: true });
    outcomes = await walk(target.url, target.restart);
    await target.stop();
  });

  test("is found out by the reads after the crash, and by nothing before it", () => {
    const failed = outcomes.filter(({ problem }) => problem).map(({ title }) => title);
    expect(failed).toEqual(["read after kill -9", "read the stock", "update after kill -9"]);
  });
});
