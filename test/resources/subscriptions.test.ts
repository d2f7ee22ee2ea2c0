import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cel } from "../../src/cel.ts";
import { processHost } from "../../targets/_process/host.ts";
import { type ReadFolder, readingOnce } from "../../targets/_resources/folder.ts";
import { loadSubscriptions } from "../../targets/_resources/subscriptions.ts";
import { folderOf } from "./_folder.ts";

const resource = (
  name: string,
  version: string,
  spec: string,
  more = "",
) => `apiVersion: dapr.io/${version}
kind: Subscription
metadata:
  name: ${name}
${more}spec:
  pubsubname: bus
  topic: ${name}
${spec}
`;
const v1 = (name: string, spec = "  route: /orders", more?: string) =>
  resource(name, "v1alpha1", spec, more);
const v2 = (name: string, spec: string, more?: string) => resource(name, "v2alpha1", spec, more);

async function load(files: Readonly<Record<string, string>>, env: Record<string, string> = {}) {
  const folder = folderOf(files);
  const warnings: string[] = [];
  const near = (text: string) => text.replaceAll(`${folder}/`, "");
  const host = processHost("node", { env });
  const warn = (text: string) => void warnings.push(near(text));
  try {
    const found = await loadSubscriptions([folder], { id: "app", host, compile: cel, warn });
    return { found, warnings };
  } catch (error) {
    throw new Error(near((error as Error).message));
  }
}

const topics = ({ found }: Awaited<ReturnType<typeof load>>) => found.map(({ topic }) => topic);

describe("a Subscription is read", () => {
  test("of v1alpha1, with one route", async () => {
    const spec = `  route: /orders
  deadLetterTopic: buried
  metadata: { rawPayload: true, n: "1" }
  bulkSubscribe: { enabled: true, maxMessagesCount: 7 }`;
    const { found, warnings } = await load({ "a.yaml": v1("orders", spec) });
    expect(warnings).toEqual([]);
    expect(found).toEqual([
      {
        pubsub: "bus",
        topic: "orders",
        rules: [{ match: "", matches: undefined, path: "/orders" }],
        deadLetterTopic: "buried",
        metadata: { rawPayload: "true", n: "1" },
        bulk: { maxMessages: 7, maxWaitMs: 1000 },
        source: expect.stringMatching(/^Subscription orders \(.*a\.yaml:6\)$/),
      },
    ]);
  });

  test("of v2alpha1, with rules in their order and a default", async () => {
    const spec = `  routes:
    rules:
      - { match: event.type == "b", path: /b }
      - { match: " ", path: /all }
    default: /else
  bulkSubscribe: { enabled: false }`;
    const { found } = await load({ "a.yaml": v2("orders", spec) });
    const [{ rules, bulk } = { rules: [], bulk: undefined }] = found;
    expect(rules.map(({ match, path }) => [match, path])).toEqual([
      ['event.type == "b"', "/b"],
      ["", "/all"],
      ["", "/else"],
    ]);
    expect(bulk).toBeUndefined();
    const event = { id: "1", source: "s", specversion: "1.0", type: "b", data: 1 };
    expect(rules[0]?.matches?.(event)).toBe(true);
    expect(rules[0]?.matches?.({ ...event, type: "c" })).toBe(false);
  });

  test("where it is scoped to the app, or to nobody, and of its namespace", async () => {
    const files = {
      "a.yaml": [
        v1("all"),
        `${v1("own")}scopes: [other, app]\n`,
        `${v1("others")}scopes: [other]\n`,
        v1("near").replace("  name: near", "  name: near\n  namespace: here"),
        v1("far").replace("  name: far", "  name: far\n  namespace: there"),
      ].join("---\n"),
    };
    expect(topics(await load(files, { NAMESPACE: "here" }))).toEqual(["all", "own", "near"]);
    expect(topics(await load(files))).toEqual(["all", "own", "near", "far"]);
  });

  test("and one of the target's folder in place of another of its name", async () => {
    const files = { "a.yaml": v1("orders"), "node/a.yaml": v1("orders", "  route: /node") };
    const { found } = await load(files);
    expect(found.map(({ rules }) => rules[0]?.path)).toEqual(["/node"]);
  });

  test("but the second for one topic is left out, and so are fields that there are not", async () => {
    const second = v1("second", "  route: /x\n  speed: 1").replace(
      "topic: second",
      "topic: orders",
    );
    const { found, warnings } = await load({ "a.yaml": v1("orders"), "b.yaml": second });
    expect(found).toHaveLength(1);
    expect(warnings).toEqual([
      "b.yaml:9: a Subscription has no field spec.speed: left out",
      "b.yaml:7: another Subscription has topic orders of bus already: left out",
    ]);
  });
});

test("a folder is read once for all that look into it, and again by the next reader", async () => {
  const folder = folderOf({ "a.yaml": v1("first") });
  const read = readingOnce();
  const names = async (reader: ReadFolder) =>
    (await reader(folder)).map((document) => document.content(["metadata", "name"]));
  expect(await names(read)).toEqual(["first"]);
  writeFileSync(join(folder, "a.yaml"), v1("second"));
  expect(await names(read)).toEqual(["first"]);
  expect(await names(readingOnce())).toEqual(["second"]);
  const elsewhere = join(folder, "node");
  expect(await read(elsewhere, { optional: true })).toEqual([]);
  await expect(read(elsewhere)).rejects.toThrow("it does not exist");
});

describe("a Subscription is refused", () => {
  test.each([
    [
      "another version",
      resource("o", "v3", "  route: /o"),
      /a\.yaml:1: apiVersion: a Subscription is/,
    ],
    ["no route", v1("o", ""), /a\.yaml:\d+: spec\.route: this is missing/],
    [
      "no rule and no default",
      v2("o", "  routes: {}"),
      /a\.yaml:8: spec\.routes: there is neither/,
    ],
    [
      "routes of the other version",
      v1("o", "  routes: {}"),
      /spec\.routes: only dapr\.io\/v2alpha1/,
    ],
    [
      "a route of the other version",
      v2("o", "  route: /o"),
      /spec\.route: only dapr\.io\/v1alpha1/,
    ],
    [
      "a rule without a path",
      v2("o", "  routes: { rules: [{ match: x }] }"),
      /rules\[0\]\.path: this/,
    ],
    [
      "a rule that is none",
      v2("o", `  routes:\n    rules:\n      - match: event.type = 1\n        path: /o`),
      /a\.yaml:10: spec\.routes\.rules\[0\]\.match: the rule event\.type = 1, column 12/,
    ],
    [
      "a count that is none",
      v1("o", "  route: /o\n  bulkSubscribe: { enabled: true, maxMessagesCount: -1 }"),
      /maxMessagesCount: this must be a whole number/,
    ],
    ["no topic", v1("o").replace("  topic: o\n", ""), /spec\.topic: this is missing/],
    ["no pubsub", v1("o").replace("bus", '""'), /a\.yaml:6: spec\.pubsubname: this is empty/],
    [
      "its name twice",
      `${v1("o")}---\n${v1("o")}`,
      /a\.yaml:13: metadata\.name: subscription o is there/,
    ],
  ])("for %s", async (_name, text, message) => {
    await expect(load({ "a.yaml": text })).rejects.toThrow(message);
  });
});
