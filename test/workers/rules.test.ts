import { afterAll, beforeAll, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";

let workers: RunningWorkers;

beforeAll(async () => {
  workers = await startWorkers({
    entry: `${root}/test/workers/_rules-worker.ts`,
    folder: newFolder("workers"),
    objects: false,
  });
});
afterAll(() => workers?.stop());

test.each([
  ["event.type == 'order.created' && event.data.total > 10", { matches: true }],
  ["event.type.matches('^paid')", { matches: false }],
  ["event.data.tags.exists(tag, tag == 'b')", { matches: true }],
  ["event.data.x == 1", { error: "the rule event.data.x == 1, column 12: no such key" }],
  ["event.type ==", { error: "the rule event.type ==, column 14: Unexpected token: EOF" }],
])("workerd, which compiles no text to code, evaluates %s", async (rule, expected) => {
  const data = { total: 10.5, tags: ["a", "b"] };
  const event = { id: "1", source: "shop", specversion: "1.0", type: "order.created", data };
  const body = JSON.stringify({ rule, event });
  const response = await fetch(workers.url, { method: "POST", body });
  expect(await response.json()).toEqual(expected);
});
