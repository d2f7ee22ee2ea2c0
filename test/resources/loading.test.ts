import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { component, folderOf, load } from "./_folder.ts";

const setting = (name: string, value: string) => `{ name: ${name}, value: ${value} }`;
const sqlite = (name: string, more = "") =>
  component(name, "state.sqlite", setting("connectionString", '"x.db"'), more);

describe("which components an app gets", () => {
  test("those of every document in every YAML file of a folder, and of no other file", async () => {
    const folder = folderOf({
      "a.yaml": `${sqlite("one")}---\n${sqlite("two")}---\n`,
      "b.YML": sqlite("three"),
      "notes.txt": "{",
      "deeper/c.yaml": sqlite("four"),
      "d.yaml": "apiVersion: dapr.io/v1alpha1\nkind: Subscription\nspec: {}\n",
      "empty.yaml": "# nothing\n",
    });
    const { components, warnings } = await load(folder);
    expect(Object.keys(components).sort()).toEqual(["one", "three", "two"]);
    expect(warnings).toEqual([]);
  });

  test("those of several folders", async () => {
    const [one, two] = [folderOf({ "a.yaml": sqlite("a") }), folderOf({ "b.yaml": sqlite("b") })];
    const { components } = await load([one, two]);
    expect(Object.keys(components)).toEqual(["a", "b"]);
  });

  test("those scoped to it, or to nobody", async () => {
    const folder = folderOf({
      "a.yaml": sqlite("mine", "scopes: [other, orders]"),
      "b.yaml": sqlite("theirs", "scopes:\n- other"),
      "c.yaml": sqlite("everyones"),
    });
    expect(Object.keys((await load(folder)).components).sort()).toEqual(["everyones", "mine"]);
    const others = await load(folder, { id: "other" });
    expect(Object.keys(others.components).sort()).toEqual(["everyones", "mine", "theirs"]);
  });

  test("those of its namespace, once it has one", async () => {
    const inside = (name: string, namespace: string) =>
      sqlite(name).replace(`name: ${name}`, `name: ${name}\n  namespace: ${namespace}`);
    const folder = folderOf({ "a.yaml": `${inside("a", "prod")}---\n${inside("b", "test")}` });
    expect(Object.keys((await load(folder)).components)).toEqual(["a", "b"]);
    const prod = await load(folder, { env: { NAMESPACE: "prod" } });
    expect(Object.keys(prod.components)).toEqual(["a"]);
  });

  test("those of the folder of its target in place of others of their name", async () => {
    const folder = folderOf({
      "state.yaml": `${sqlite("statestore")}---\n${sqlite("kept")}`,
      "node/state.yaml": component("statestore", "state.in-memory"),
      "workers/state.yaml": component("statestore", "state.cloudflare.durableobjects"),
    });
    const { components } = await load(folder);
    expect(components.statestore?.type).toBe("state.in-memory");
    expect(components.kept?.type).toBe("state.sqlite");
  });

  test("not those of a block that is not built, of which it is told", async () => {
    const folder = folderOf({
      "a.yaml": `${component("files", "bindings.localstorage")}---\n${sqlite("s")}`,
    });
    const { components, warnings } = await load(folder);
    expect(Object.keys(components)).toEqual(["s"]);
    expect(warnings).toEqual([
      "a.yaml:6: component files is left out: the building block bindings is not built yet",
    ]);
  });
});

describe("how a component is described", () => {
  test("by a type in any case, with Dapr's version", async () => {
    const typed = (version: string) =>
      component("s", "State.In-Memory").replace("version: v1", `version: ${version}`);
    for (const version of ["v1", "V1", "v0", '""']) {
      const { components } = await load(folderOf({ "a.yaml": typed(version) }));
      expect(components.s?.type).toBe("state.in-memory");
    }
    await expect(load(folderOf({ "a.yaml": typed("v9") }))).rejects.toThrow(
      "a.yaml:6: spec.type: there is no component type state.in-memory/v9: there is ",
    );
  });

  test("by the short name of PostgreSQL, in either version", async () => {
    const settings = setting("connectionString", "host=localhost");
    for (const version of ["v1", "v2"]) {
      const text = component("s", "state.postgres", settings);
      const folder = folderOf({ "a.yaml": text.replace("version: v1", `version: ${version}`) });
      const { components } = await load(folder);
      expect(components.s?.type).toBe("state.postgresql");
      expect(components.s?.version ?? "v1").toBe(version);
    }
  });

  test("by settings in any case, as text, numbers, booleans and durations", async () => {
    const settings = [
      setting("CONNECTIONSTRING", "x.db"),
      setting("disablewal", '" Yes "'),
      setting("busyTimeout", "1m30s"),
      setting("cleanupInterval", "7"),
      setting("tableName", "007"),
      setting("metadataTableName", '""'),
    ];
    const { components } = await load(
      folderOf({ "a.yaml": component("s", "state.sqlite", settings.join(", ")) }),
    );
    expect(components.s?.options).toEqual({
      connectionString: "x.db",
      disableWAL: true,
      busyTimeout: "1m30s",
      cleanupInterval: "7",
      tableName: "007",
    });
  });

  test("by a negative interval, which means none", async () => {
    const settings = (name: string) =>
      `${setting("connectionString", "x.db")}, ${setting(name, "-1")}`;
    const of = (name: string) =>
      load(folderOf({ "a.yaml": component("s", "state.sqlite", settings(name)) }));
    const { components } = await of("cleanupIntervalInSeconds");
    expect(components.s?.options.cleanupInterval).toBe("0");
    await expect(of("busyTimeout")).rejects.toThrow("busyTimeout must be a duration");
  });

  test("with templates for its app, namespace, pod and a UUID", async () => {
    const value = '"{appID}/{namespace}/{podName}/{uuid}/{uuid}/{other}"';
    const folder = folderOf({
      "a.yaml": component("s", "state.sqlite", setting("connectionString", value)),
    });
    const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}";
    const { components } = await load(folder, { env: { POD_NAME: "pod-1", NAMESPACE: "prod" } });
    const text = String(components.s?.options.connectionString);
    expect(text).toMatch(
      new RegExp(`^orders/prod\\.orders/pod-1/(${uuid})/(?!\\1)${uuid}/\\{other\\}$`),
    );
    const standalone = await load(folder, { env: { POD_NAME: "pod-1" } });
    expect(standalone.components.s?.options.connectionString).toMatch(/^orders\/default\.orders\//);
    await expect(load(folder)).rejects.toThrow("{podName} needs the variable POD_NAME");
  });

  test("with a time for its start, and whether it may fail", async () => {
    const start = (text: string) =>
      folderOf({ "a.yaml": sqlite("s").replace("  version: v1", `  version: v1\n${text}`) });
    const { components } = await load(start("  ignoreErrors: true\n  initTimeout: 1m"));
    expect(components.s?.startup).toMatchObject({ ignoreErrors: true, initTimeout: 60_000 });
    const plain = await load(start(""));
    expect(plain.components.s?.startup).toMatchObject({ ignoreErrors: false, initTimeout: 5000 });
    await expect(load(start("  initTimeout: soon"))).rejects.toThrow(
      'a.yaml:8: spec.initTimeout: it must be a duration such as 30s, not "soon"',
    );
    await expect(load(start("  ignoreErrors: maybe"))).rejects.toThrow(
      "a.yaml:8: spec.ignoreErrors: this must be true or false",
    );
  });

  test("with settings and fields that nobody has, of which it is told by name", async () => {
    const settings = `${setting("connectionString", "x.db")}, ${setting("bogus", "1")}, { name: tableName, vaule: x }`;
    const text = component("s", "state.sqlite", settings, "scope: [orders]");
    const { components, warnings } = await load(folderOf({ "a.yaml": text }));
    expect(components.s?.options).toEqual({ connectionString: "x.db" });
    expect(warnings).toEqual([
      "a.yaml:9: component s has no field scope: left out",
      "a.yaml:8: component s has no field spec.metadata.2.vaule: left out",
      "a.yaml:8: component s has no setting bogus: left out",
    ]);
  });

  test("with anchors, aliases and merged fields", async () => {
    const text = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: &name { name: s }
spec:
  <<: { type: state.sqlite, version: v1 }
  metadata:
    - &file { name: connectionString, value: &path x.db }
    - { name: tableName, value: *path }
    - { <<: *file, name: metadataTableName }
`;
    const { components } = await load(folderOf({ "a.yaml": text }));
    expect(components.s?.options).toEqual({
      connectionString: "x.db",
      tableName: "x.db",
      metadataTableName: "x.db",
    });
  });

  test("and what is wrong in one for others stops nobody", async () => {
    const theirs = component("s", "state.unheard-of", setting("bogus", "1"), "scopes: [other]");
    const { components, warnings } = await load(folderOf({ "a.yaml": theirs }));
    expect([components, warnings]).toEqual([{}, []]);
    await expect(load(folderOf({ "a.yaml": theirs }), { id: "other" })).rejects.toThrow(
      "there is no component type",
    );
  });

  test("and one that says ignoreErrors is left out with a warning", async () => {
    const broken = component("s", "state.unheard-of");
    const text = broken.replace("  version: v1", "  version: v1\n  ignoreErrors: true");
    const { components, warnings } = await load(folderOf({ "a.yaml": text }));
    expect(components).toEqual({});
    expect(warnings).toEqual([
      expect.stringMatching(
        /^a\.yaml:6: spec\.type: there is no .*: component s is left out, since it says ignoreErrors$/,
      ),
    ]);
  });

  test.each([
    ["kind: Component", "kind: component", 'its kind is "component"'],
    ["kind: Component\n", "", "it has no kind"],
  ])("and one of another kind is left out with a warning: %s as %s", async (kind, by, why) => {
    const { components, warnings } = await load(
      folderOf({ "a.yaml": sqlite("s").replace(kind, by) }),
    );
    expect(components).toEqual({});
    expect(warnings).toEqual([
      expect.stringMatching(`this is no Component, since ${why}: left out`),
    ]);
  });

  test("and files that are hidden or not UTF-8 are no manifests", async () => {
    const folder = folderOf({ ".#a.yaml": "{", "b.yaml": sqlite("s") });
    expect(Object.keys((await load(folder)).components)).toEqual(["s"]);
    writeFileSync(join(folder, "c.yaml"), Buffer.from([0x61, 0xff]));
    await expect(load(folder)).rejects.toThrow("c.yaml cannot be read: it is not UTF-8");
  });

  test("and 2,000 of them are loaded", async () => {
    const files = Array.from({ length: 2000 }, (_, at) => [`${at}.yaml`, sqlite(`store-${at}`)]);
    const { components } = await load(folderOf(Object.fromEntries(files)));
    expect(Object.keys(components)).toHaveLength(2000);
  });
});

describe("what is wrong is named by file, line and field", () => {
  const cases: [string, string, string][] = [
    ["text that is not YAML", "a: b: c", "a.yaml:1:4: this is not YAML: "],
    ["a list", "- a", "a.yaml:1: a resource is a mapping, with apiVersion and kind"],
    [
      "another version of the API",
      sqlite("s").replace("v1alpha1", "v2"),
      "a.yaml:1: apiVersion: a Component is dapr.io/v1alpha1, not dapr.io/v2",
    ],
    ["no name", sqlite("s").replace("  name: s\n", ""), "a.yaml:3: metadata.name: this is missing"],
    ["an empty name", sqlite('""'), "a.yaml:4: metadata.name: this is empty"],
    [
      "a name with a slash",
      sqlite("a/b"),
      'a.yaml:4: metadata.name: "a/b" cannot be part of a path',
    ],
    [
      "a name of two dots",
      sqlite('".."'),
      'a.yaml:4: metadata.name: ".." cannot be part of a path',
    ],
    ["no type", component("s", '""'), "a.yaml:6: spec.type: this is empty"],
    [
      "a type that there is not",
      component("s", "state.unheard-of"),
      "a.yaml:6: spec.type: there is no component type state.unheard-of: there is ",
    ],
    [
      "a type of another target",
      component("s", "state.cloudflare.durableobjects"),
      "a.yaml:6: spec.type: state.cloudflare.durableobjects does not run on node, only on workers",
    ],
    [
      "a setting that is needed",
      component("s", "state.sqlite"),
      "a.yaml:8: component s needs the setting connectionString: ",
    ],
    [
      "a setting twice",
      component("s", "state.sqlite", `${setting("tableName", "a")}, ${setting("TABLENAME", "b")}`),
      "a.yaml:8: spec.metadata[1]: TABLENAME is there twice",
    ],
    [
      "a word for a boolean",
      component("s", "state.sqlite", `\n    ${setting("disableWAL", "ture")}`),
      'a.yaml:9: spec.metadata[0]: disableWAL must be true or false, not "ture"',
    ],
    [
      "a word for a duration",
      component(
        "s",
        "state.sqlite",
        `${setting("connectionString", "x")}, ${setting("busyTimeout", "soon")}`,
      ),
      'a.yaml:8: spec.metadata[1]: busyTimeout must be a duration such as 30s or 1h30m, not "soon"',
    ],
    [
      "no version of the API",
      sqlite("s").replace("apiVersion: dapr.io/v1alpha1\n", ""),
      "a.yaml:1: apiVersion: this is missing",
    ],
    ["an alias to nothing", `${sqlite("s")}x: *y`, "a.yaml:1: this is not YAML: "],
    ["an alias to itself", "a: &v [*v]", "a.yaml:1: this is not YAML: "],
    [
      "two sources of a value",
      component("s", "state.sqlite", "{ name: tableName, value: a, envRef: B }"),
      "a.yaml:8: spec.metadata[0]: tableName has both value and envRef",
    ],
    [
      "a setting that is text",
      component("s", "state.sqlite", "tableName"),
      "a.yaml:8: spec.metadata[0]: a setting is a mapping with name and value",
    ],
    [
      "scopes that are text",
      sqlite("s", "scopes: orders"),
      "a.yaml:9: scopes: this must be a list",
    ],
    [
      "two components of one name",
      `${sqlite("s")}---\n${sqlite("s")}`,
      "a.yaml:14: metadata.name: component s is in a.yaml:4 already",
    ],
    [
      "half an outbox",
      component("s", "state.in-memory", setting("outboxPublishPubsub", "p")),
      "a.yaml:8: spec.metadata[0]: an outbox needs outboxPublishTopic",
    ],
    [
      "a key that cannot be a prefix",
      component("s", "state.in-memory", setting("keyPrefix", '"a||b"')),
      "a.yaml:8: component s: the setting keyPrefix: ",
    ],
  ];

  test.each(cases)("%s", async (_what, text, message) => {
    await expect(load(folderOf({ "a.yaml": text }))).rejects.toThrow(message);
  });

  test("a folder that is not there, or is none", async () => {
    const folder = folderOf({ "a.yaml": sqlite("s") });
    expect(Object.keys((await load(folder)).components)).toEqual(["s"]);
    await expect(load(join(folder, "none"))).rejects.toThrow("cannot be read: it does not exist");
    await expect(load(join(folder, "a.yaml"))).rejects.toThrow(
      "cannot be read: it is not a folder",
    );
  });

  const isRoot = process.getuid?.() === 0;
  test.skipIf(isRoot)(
    `a file that may not be read${isRoot ? " (skipped: root may)" : ""}`,
    async () => {
      const folder = folderOf({ "a.yaml": sqlite("s") });
      chmodSync(join(folder, "a.yaml"), 0);
      await expect(load(folder)).rejects.toThrow("this user may not read it");
    },
  );
});
