import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import * as environment from "../../bindings/env.ts";
import * as memory from "../../bindings/memory.ts";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { type EncryptionOptions, encrypted } from "../../src/blocks/state/encryption.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Call } from "../../src/contracts/host.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { localStateSuite } from "../conformance/suite.ts";
import { newFolder } from "../harness/folder.ts";

const store = environment.secrets({});
const keys = { OLD: randomBytes(16), NEW: randomBytes(32), MIDDLE: randomBytes(24) };
const env = {
  OLD: keys.OLD.toString("hex"),
  NEW: keys.NEW.toString("hex"),
  MIDDLE: keys.MIDDLE.toString("hex"),
  SHORT: "00ff",
  WORDS: "not hexadecimal",
};
const under = (name: string, second?: string): EncryptionOptions => ({
  primaryEncryptionKey: { name, store },
  secondaryEncryptionKey: second === undefined ? undefined : { name: second, store },
});

Object.assign(process.env, { PILLION_TEST_KEY: keys.NEW.toString("hex") });
const suiteKey = { primaryEncryptionKey: { name: "PILLION_TEST_KEY", store } };
const skips = {
  "bytes that could be JSON stay bytes":
    "Dapr's encrypted format does not say which of the two it holds",
};
localStateSuite("state.in-memory, encrypted", encrypted(memory.state({}), suiteKey), skips);
localStateSuite(
  "state.sqlite, encrypted",
  encrypted(sqlite.state({ connectionString: ":memory:" }), suiteKey),
  skips,
);

function opened(component: Component): Runtime {
  return createRuntime({
    id: "app",
    components: { s: component },
    host: processHost("node", { env }),
  });
}

/** What Dapr's format says, by an implementation of its own. */
function seal(plain: string | Buffer, name: keyof typeof keys): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv(
    `aes-${keys[name].length * 8}-gcm` as "aes-256-gcm",
    keys[name],
    nonce,
  );
  const bytes = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
  return `${Buffer.concat(bytes).toString("base64")}||${name}`;
}

function unseal(text: string): { name: string; plain: string } {
  const [sealed, name] = text.split("||") as [string, keyof typeof keys];
  const bytes = Buffer.from(sealed, "base64");
  const cipher = createDecipheriv(
    `aes-${keys[name].length * 8}-gcm` as "aes-256-gcm",
    keys[name],
    bytes.subarray(0, 12),
  );
  cipher.setAuthTag(bytes.subarray(-16));
  return {
    name,
    plain: Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]).toString(),
  };
}

describe("an encrypted store", () => {
  const file = () => join(newFolder("encrypted"), "state.db");
  const rowOf = (path: string, key: string) => {
    using database = new DatabaseSync(path);
    return database.prepare("SELECT value, is_binary FROM state WHERE key = ?").get(key);
  };
  const stored = (path: string, key: string) =>
    Buffer.from(rowOf(path, key)?.value as string, "base64").toString();

  test.each(["OLD", "MIDDLE", "NEW"] as const)(
    "writes Dapr's format under a key of any size: %s",
    async (name) => {
      const path = file();
      await using runtime = opened(
        encrypted(sqlite.state({ connectionString: path }), under(name)),
      );
      const state = runtime.blocks.state("s");
      await state.set("k", { b: 1, a: "x<y" });
      await state.transaction([{ operation: "upsert", key: "t", value: "text" }]);
      expect(rowOf(path, "app||k")).toMatchObject({ is_binary: 1 });
      expect(unseal(stored(path, "app||k"))).toEqual({ name, plain: '{"b":1,"a":"x<y"}' });
      expect(unseal(stored(path, "app||t"))).toEqual({ name, plain: '"text"' });
      expect(await state.get("k")).toEqual({ b: 1, a: "x<y" });
    },
  );

  test("writes the same value differently each time", async () => {
    const path = file();
    await using runtime = opened(encrypted(sqlite.state({ connectionString: path }), under("NEW")));
    await runtime.blocks.state("s").setBulk([
      { key: "a", value: 1 },
      { key: "b", value: 1 },
    ]);
    expect(stored(path, "app||a")).not.toBe(stored(path, "app||b"));
  });

  /** A store into which the test writes what another program would have stored. */
  async function withRow(text: string, options: EncryptionOptions) {
    const path = file();
    const runtime = opened(encrypted(sqlite.state({ connectionString: path }), options));
    const plain = opened(sqlite.state({ connectionString: path }));
    await plain.blocks.state("s").set("k", new TextEncoder().encode(text));
    await plain.close();
    return runtime;
  }

  test("reads what Dapr encrypted: JSON, and what is no JSON as bytes", async () => {
    for (const [plain, value] of [
      ['{"a":1}', { a: 1 }],
      ["map[a:1]", new TextEncoder().encode("map[a:1]")],
      [Buffer.from([0xff, 0]), new Uint8Array([0xff, 0])],
    ] as const) {
      await using runtime = await withRow(seal(plain as string, "OLD"), under("OLD"));
      expect(await runtime.blocks.state("s").get("k")).toEqual(value);
    }
  });

  test("reads under the secondary key and writes under the primary one", async () => {
    await using runtime = await withRow(seal("1", "OLD"), under("NEW", "OLD"));
    const state = runtime.blocks.state("s");
    expect(await state.get("k")).toBe(1);
    await state.update<number>("k", (value = 0) => value + 1);
    expect(await state.get("k")).toBe(2);
    const native = state.native<DatabaseSync>();
    const row = native.prepare("SELECT value FROM state").get();
    expect(unseal(Buffer.from(row?.value as string, "base64").toString())).toEqual({
      name: "NEW",
      plain: "2",
    });
  });

  const broken = seal("1", "OLD");
  test.each([
    ["under neither key", seal("1", "MIDDLE"), "is encrypted under neither key, but under MIDDLE"],
    ["in clear", '{"a":1}', "is not encrypted"],
    ["that is not base64", "%%%||OLD", "is not encrypted"],
    [
      "under a name of Object's",
      `${broken.split("||")[0]}||constructor`,
      "is encrypted under neither key",
    ],
    ["that was changed", `AAAA${broken.slice(4)}`, "does not decrypt under OLD"],
    ["that is cut off", "AAAA||OLD", "is not encrypted"],
    [
      "in clear, with || in it",
      '{"note":"x||TOPSECRET"}',
      "the stored value of app||k is not encrypted",
    ],
  ])("a value %s is corrupt", async (_what, text, message) => {
    await using runtime = await withRow(text, under("OLD"));
    const state = runtime.blocks.state("s");
    await expect(state.get("k")).rejects.toMatchObject({ kind: "corrupt", code: "ERR_STATE_GET" });
    await expect(state.get("k")).rejects.toThrow(message);
    await state.set("sound", 1);
    const [bad, good] = await state.getBulk(["k", "sound"]);
    expect([bad?.error?.kind, good?.value]).toEqual(["corrupt", 1]);
  });

  test("leaves what actors and workflows store in clear", async () => {
    const inner = memory.state({}).open(processHost("node"), "s");
    const component = { ...memory.state({}), open: () => inner };
    const outer = encrypted(component, under("NEW")).open(processHost("node", { env }), "s");
    const call: Call = { signal: undefined, trace: {}, deadline: undefined, waitUntil() {} };
    const value = { json: "1" };
    await outer.set("app||type||id||key", value, {}, call);
    await outer.set("app||key", value, {}, call);
    expect((await inner.get("app||type||id||key", {}, call))?.value).toEqual(value);
    expect((await inner.get("app||key", {}, call))?.value).not.toEqual(value);
    expect((await outer.get("app||type||id||key", {}, call))?.value).toEqual(value);
  });

  test.each([
    [
      "that there is not",
      "NONE",
      "component s: primaryEncryptionKey: there is no secret NONE in secretstores.local.env",
    ],
    ["that is too short", "SHORT", "secret SHORT must hold 16, 24 or 32 bytes in hexadecimal"],
    ["that is no hexadecimal", "WORDS", "secret WORDS must hold 16, 24 or 32 bytes in hexadecimal"],
    ["under a name that values cannot bear", "A||B", "the name of a secret may not hold ||"],
    ["without a name", "", "component s: primaryEncryptionKey: it needs the name of a secret"],
  ])("a key %s is refused, and nothing is written", async (_what, name, message) => {
    await using runtime = opened(encrypted(memory.state({}), under(name)));
    const failure = await runtime.blocks
      .state("s")
      .set("k", 1)
      .catch((error) => error);
    expect(failure).toMatchObject({ kind: "config" });
    expect(failure.message).toContain(message);
    expect(failure.message).not.toContain(env.WORDS);
    await expect(runtime.init("s")).rejects.toThrow(message);
  });

  test("two keys of one name are refused, since values bear only the name", async () => {
    const keys: EncryptionOptions = {
      primaryEncryptionKey: { name: "NEW", store },
      secondaryEncryptionKey: { name: "NEW", key: "OLD", store },
    };
    const both = { ...store, open: () => ({ get: async () => ({ NEW: env.NEW, OLD: env.OLD }) }) };
    const inOne = {
      primaryEncryptionKey: { ...keys.primaryEncryptionKey, store: both },
      secondaryEncryptionKey: { name: "NEW", key: "OLD", store: both },
    };
    await using runtime = opened(encrypted(memory.state({}), inOne));
    await expect(runtime.blocks.state("s").get("k")).resolves.toBeUndefined();
    await expect(runtime.blocks.state("s").set("k", 1)).rejects.toThrow(
      "component s: secondaryEncryptionKey: it needs a secret of another name than NEW",
    );
  });

  test.each([
    ["the component's name", "a||b", { keyPrefix: "name" }, {}],
    ["NAMESPACE", "s", { keyPrefix: "namespace" }, { NAMESPACE: "a||b" }],
  ])(
    "a prefix that looks like an actor's, by %s, is refused",
    async (_what, name, options, more) => {
      const components = { [name]: encrypted(memory.state(options), under("NEW")) };
      const host = processHost("node", { env: { ...env, ...more } });
      const open = () => createRuntime({ id: "app", components, host }).blocks.state(name);
      expect(open).toThrow("can't contain '||'");
    },
  );
});
