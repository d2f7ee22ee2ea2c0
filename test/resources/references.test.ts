import { describe, expect, test } from "vitest";
import { component, folderOf, load } from "./_folder.ts";

const store = (settings: string, more = "auth: { secretStore: secrets }") =>
  component("s", "state.sqlite", settings, more);
const secrets = (name = "secrets", settings = "", more = "") =>
  component(name, "secretstores.local.env", settings, more);
const reference = (name: string, key = "") =>
  `{ name: connectionString, secretKeyRef: { name: ${name}${key && `, key: ${key}`} } }`;

async function pathIn(files: Record<string, string>, env: Record<string, string> = {}) {
  const { components } = await load(folderOf(files), { env });
  return components.s?.options.connectionString;
}

describe("a secretKeyRef", () => {
  test("is the secret's own value, whatever file its store is in", async () => {
    const files = { "a.yaml": store(reference("FILE")), "b.yaml": secrets() };
    expect(await pathIn(files, { FILE: "{uuid}.db" })).toBe("{uuid}.db");
    expect(
      await pathIn(
        { "a.yaml": `${secrets()}---\n${store(reference("FILE", "FILE"))}` },
        { FILE: "x" },
      ),
    ).toBe("x");
  });

  test("is found under the prefix of its store", async () => {
    const prefixed = secrets("secrets", "{ name: Prefix, value: APP_ }");
    const files = { "a.yaml": `${store(reference("FILE"))}---\n${prefixed}` };
    expect(await pathIn(files, { FILE: "wrong", APP_FILE: "right" })).toBe("right");
  });

  test("may be what another secret store is set up with", async () => {
    const second = secrets(
      "secrets",
      "{ name: prefix, secretKeyRef: { name: PREFIX } }",
      "auth: { secretStore: first }",
    );
    const files = { "a.yaml": `${store(reference("FILE"))}---\n${second}---\n${secrets("first")}` };
    expect(await pathIn(files, { PREFIX: "X_", X_FILE: "found" })).toBe("found");
  });

  const faults: [string, string, Record<string, string>, string][] = [
    [
      "without auth.secretStore",
      store(reference("FILE"), ""),
      { FILE: "x" },
      "a.yaml:8: spec.metadata[0]: connectionString is a secretKeyRef, and auth.secretStore names no store",
    ],
    [
      "to a store that there is not",
      store(reference("FILE"), "auth: { secretStore: vault }"),
      { FILE: "x" },
      "a.yaml:9: auth.secretStore: there is no secret store vault",
    ],
    [
      "to a secret that there is not",
      store(reference("FILE")),
      {},
      "a.yaml:8: spec.metadata[0]: connectionString: no secret FILE in secrets",
    ],
    [
      "to a key that there is not",
      store(reference("FILE", "other")),
      { FILE: "x" },
      "a.yaml:8: spec.metadata[0]: connectionString: secret FILE has no key other in secrets",
    ],
    [
      "to what Dapr shows to nobody",
      store(reference("DAPR_API_TOKEN")),
      { DAPR_API_TOKEN: "x" },
      "no secret DAPR_API_TOKEN in secrets",
    ],
    [
      "to the app's token",
      store(reference("app_api_token")),
      { app_api_token: "x" },
      "no secret app_api_token in secrets",
    ],
    [
      "without a name",
      store("{ name: connectionString, secretKeyRef: { key: a } }"),
      {},
      "a.yaml:8: spec.metadata[0].secretKeyRef.name: this is missing",
    ],
  ];

  test.each(faults)("%s is refused", async (_what, text, env, message) => {
    const folder = folderOf({ "a.yaml": text, "b.yaml": secrets() });
    await expect(load(folder, { env })).rejects.toThrow(message);
  });

  test("in a circle is refused, whichever way it is entered", async () => {
    const circle = (name: string, of: string) =>
      secrets(name, "{ name: prefix, secretKeyRef: { name: A } }", `auth: { secretStore: ${of} }`);
    for (const [one, two] of [
      ["secrets", "other"],
      ["other", "secrets"],
    ] as const) {
      const files = {
        "a.yaml": `${store(reference("A"))}---\n${circle(one, two)}---\n${circle(two, one)}`,
      };
      await expect(load(folderOf(files), { env: { A: "x" } })).rejects.toThrow(
        "waits for a secret that is kept in itself",
      );
    }
    const own = { "a.yaml": `${store(reference("A"))}---\n${circle("secrets", "secrets")}` };
    await expect(load(folderOf(own), { env: { A: "x" } })).rejects.toThrow("kept in itself");
  });
});

describe("an envRef", () => {
  const variable = (name: string) => store(`{ name: connectionString, envRef: ${name} }`, "");

  test("is the variable's value", async () => {
    expect(await pathIn({ "a.yaml": variable("FILE") }, { FILE: "{appID}.db" })).toBe("{appID}.db");
  });

  test.each([
    ["a variable that is not set", "FILE", "connectionString: the variable FILE is not set"],
    ["the app's token", "APP_API_TOKEN", "no component may read the variable APP_API_TOKEN"],
    ["a name of Object's", "constructor", "the variable constructor is not set"],
    ["what is Dapr's own", "dapr_api_token", "no component may read the variable dapr_api_token"],
  ])("to %s is refused", async (_what, name, message) => {
    const env = { APP_API_TOKEN: "x", dapr_api_token: "x" };
    await expect(load(folderOf({ "a.yaml": variable(name) }), { env })).rejects.toThrow(message);
  });
});

test.each([
  ["disableWAL", "swordfish", "disableWAL must be true or false"],
  ["busyTimeout", "swordfish", "busyTimeout must be a duration"],
  ["keyPrefix", "sword||fish", "the setting keyPrefix: input keyPrefix '…' can't contain"],
])("no message holds what a secret or a variable holds: %s", async (name, value, message) => {
  const settings = `{ name: connectionString, value: x }, { name: ${name}, secretKeyRef: { name: HIDDEN } }`;
  const files = { "a.yaml": `${store(settings)}---\n${secrets()}` };
  const failure = await load(folderOf(files), { env: { HIDDEN: value } }).catch(
    (error: Error) => error.message,
  );
  expect(failure).toContain(message);
  expect(failure).not.toContain("fish");
});
