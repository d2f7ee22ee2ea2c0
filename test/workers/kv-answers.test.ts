import { describe, expect, test } from "vitest";
import * as kv from "../../bindings/cloudflare/kv.ts";
import { createRuntime } from "../../src/runtime.ts";
import { webHost } from "../../src/web.ts";
import { thrownBy } from "./_drive.ts";

/** A store on what stands in for KV: for what its local form cannot be brought to answer. */
function storeOn(MY_KV: unknown, kvNamespaceID = "MY_KV") {
  const runtime = createRuntime({
    id: "orders",
    components: { store: kv.state({ kvNamespaceID }) },
    host: webHost("workers", { env: { MY_KV, TEXT: "text", BUCKET: { get() {}, put() {} } } }),
  });
  return () => runtime.blocks.state("store");
}

function failing(message: string) {
  const fail = async () => {
    throw new Error(message);
  };
  return { getWithMetadata: fail, put: fail, delete: fail };
}

describe("the worker binding", () => {
  test("that is missing or of another kind is a configuration error with what to paste", async () => {
    for (const binding of ["MISSING", "TEXT", "BUCKET"]) {
      const error = await thrownBy(Promise.resolve().then(storeOn(undefined, binding)));
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).toContain(`[[kv_namespaces]]\n  binding = "${binding}"`);
    }
  });
});

describe("what KV answers", () => {
  test.each([
    ["KV PUT failed: 429 Too Many Requests", "unavailable"],
    ["KV GET failed: 500 Internal Server Error", "unavailable"],
    ["Network connection lost.", "unavailable"],
    ["KV PUT failed: 413 Value length of 27262977 exceeds limit of 26214400.", "invalid"],
  ])("%s is %s", async (message, kind) => {
    const store = storeOn(failing(message))();
    for (const attempt of [
      () => store.get("k"),
      () => store.set("k", 1),
      () => store.delete("k"),
    ]) {
      const error = await thrownBy(attempt());
      expect(error).toMatchObject({ kind });
      expect(error.message).toContain("component store: Workers KV");
    }
  });

  test("too many writes to a key are explained", async () => {
    const error = await thrownBy(storeOn(failing("KV PUT failed: 429 x"))().set("k", 1));
    expect(error.message).toContain("one write a second to a key");
  });
});

test("settings of Dapr's own way are taken, and its secrets kept out of messages", () => {
  const { fields } = kv.state({ kvNamespaceID: "MY_KV" });
  const secrets = Object.entries(fields).filter(([, field]) => field.sensitive);
  expect(secrets.map(([name]) => name)).toEqual(["key", "cfAPIToken"]);
});
