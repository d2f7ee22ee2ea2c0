import { createDecipheriv } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";
import { component, folderOf, load } from "./_folder.ts";

const env = { OLD: "00".repeat(16), NEW: "11".repeat(32), KEPT: "22".repeat(16) };
const key = (which: string, name: string, more = "") =>
  `{ name: ${which}EncryptionKey, secretKeyRef: { name: ${name}${more} } }`;

function files(path: string, ...keys: string[]) {
  const settings = [`{ name: connectionString, value: "${path}" }`, ...keys].join(", ");
  return folderOf({
    "state.yaml": component("s", "state.sqlite", settings, "auth: { secretStore: secrets }"),
    "secrets.yaml": component("secrets", "secretstores.local.env"),
  });
}

/** The runtime has none of the variables: keys come from where the manifest's references were checked. */
async function opened(path: string, ...keys: string[]) {
  const { components } = await load(files(path, ...keys), { env });
  return createRuntime({ id: "orders", components, host: processHost("node", { env: {} }) });
}

function stored(path: string): string {
  using database = new DatabaseSync(path);
  const row = database.prepare("SELECT value FROM state").get();
  return Buffer.from(row?.value as string, "base64").toString();
}

test("a store with a primary key is encrypted, and read on under it as the secondary one", async () => {
  const path = join(newFolder("encrypted"), "state.db");
  const first = await opened(path, key("primary", "OLD"));
  await first.init("s");
  await first.blocks.state("s").set("k", { a: 1 });
  await first.close();
  const [sealed = "", name] = stored(path).split("||");
  const bytes = Buffer.from(sealed, "base64");
  const cipher = createDecipheriv(
    "aes-128-gcm",
    Buffer.from(env.OLD, "hex"),
    bytes.subarray(0, 12),
  );
  cipher.setAuthTag(bytes.subarray(-16));
  const plain = cipher.update(bytes.subarray(12, -16)).toString() + cipher.final().toString();
  expect([plain, name]).toEqual(['{"a":1}', "OLD"]);

  await using second = await opened(path, key("primary", "NEW"), key("Secondary", "OLD"));
  expect(await second.blocks.state("s").get("k")).toEqual({ a: 1 });
  await second.blocks.state("s").set("k", 2);
  expect(stored(path)).toMatch(/\|\|NEW$/);

  await using third = await opened(path, key("primary", "KEPT"));
  await expect(third.blocks.state("s").get("k")).rejects.toThrow(
    "under neither key, but under NEW",
  );
});

test.each([
  [
    "without the primary one",
    key("secondary", "OLD"),
    "state.yaml:8: spec.metadata[1]: a secondaryEncryptionKey needs a primaryEncryptionKey",
  ],
  [
    "by its value",
    `{ name: primaryEncryptionKey, value: ${env.OLD} }`,
    "state.yaml:8: spec.metadata[1]: primaryEncryptionKey must be a secretKeyRef",
  ],
  ["that there is not", key("primary", "NONE"), "primaryEncryptionKey: no secret NONE in secrets"],
  ["by a key that there is not", key("primary", "OLD", ", key: x"), "secret OLD has no key x"],
  [
    "that says nothing",
    "{ name: primaryEncryptionKey, secretKeyRef: {} }",
    "must be a secretKeyRef",
  ],
])("a key %s is refused", async (_what, setting, message) => {
  await expect(load(files("x.db", setting), { env })).rejects.toThrow(message);
});
