import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";
import { passAt, rawAt, storeAt, thrownBy } from "./_drive.ts";

let workers: RunningMiniflare;
const url = () => workers.urls.main as string;
const store = (name?: string) => storeAt(url(), name);
const raw = (method: string, ...args: unknown[]) => rawAt(url())[method]?.(...args);

beforeAll(async () => {
  workers = await startMiniflare({
    workers: { main: `${root}/test/workers/_kv-driven-worker.ts` },
    folder: newFolder("miniflare"),
    kv: ["MY_KV"],
  });
});
afterAll(() => workers?.stop());

describe("what lies in KV", () => {
  test("is JSON text without metadata, as Dapr puts it", async () => {
    await store().set("json", { a: "ü" });
    expect(await raw("get", "orders||json")).toEqual({
      value: new TextEncoder().encode('{"a":"ü"}'),
      metadata: null,
    });
  });

  test("is raw bytes, marked, and an end in the metadata and in KV itself", async () => {
    await store().set("bytes", new Uint8Array([1, 255]), { ttlInSeconds: 60 });
    const end = (await store().getItem("bytes"))?.ttlExpireTime?.getTime() as number;
    expect(await raw("get", "orders||bytes")).toEqual({
      value: new Uint8Array([1, 255]),
      metadata: { bytes: true, expires: end / 1000 },
    });
    const keys = (await raw("list")) as { name: string; expiration?: number }[];
    const listed = keys.find(({ name }) => name === "orders||bytes");
    expect((listed?.expiration as number) * 1000 - end).toBeGreaterThanOrEqual(-1000);
    expect((listed?.expiration as number) * 1000 - end).toBeLessThan(60_000);
  });

  test("is read as Dapr put it: JSON, text that is none, and bytes", async () => {
    await raw("put", "orders||theirs", '{"n":1.50}');
    await raw("put", "orders||text", "plain");
    await raw("put", "orders||binary", new Uint8Array([255, 0]));
    await raw("put", "orders||tagged", "1", { metadata: ["another's"] });
    const items = await store().getBulk(["theirs", "text", "binary", "tagged"]);
    expect(items.map(({ value }) => value)).toEqual([
      { n: 1.5 },
      new TextEncoder().encode("plain"),
      new Uint8Array([255, 0]),
      1,
    ]);
  });
});

describe("a time to live", () => {
  test("of 59 s is refused, and what was there stays", async () => {
    await store().set("brief", 1);
    const error = await thrownBy(store().set("brief", 2, { ttlInSeconds: 59 }));
    expect(error).toMatchObject({ kind: "invalid", status: 400 });
    expect(error.message).toMatch(/component statestore: Workers KV takes a ttlInSeconds of 60/);
    expect(await store().get("brief")).toBe(1);
  });

  test("ends by the host's clock while KV still has the item", async () => {
    await store().set("ends", 1, { ttlInSeconds: 60 });
    await passAt(url(), 59_000);
    expect(await store().get("ends")).toBe(1);
    await passAt(url(), 2000);
    expect(await store().get("ends")).toBeUndefined();
    expect(await raw("get", "orders||ends")).toMatchObject({ metadata: {} });
  });
});

describe("what KV cannot do is refused", () => {
  test("strong reads and writes", async () => {
    const strong = { consistency: "strong" } as const;
    await store().set("k", 1);
    for (const attempt of [() => store().get("k", strong), () => store().set("k", 2, strong)]) {
      expect(await thrownBy(attempt())).toMatchObject({ kind: "unsupported" });
    }
    expect((await store().getBulk(["k"], strong))[0]?.error).toBeDefined();
    expect(await store().get("k", { consistency: "eventual" })).toBe(1);
  });

  test("keys longer than 512 bytes with their prefix, and the keys . and ..", async () => {
    const fits = "k".repeat(512 - "orders||".length);
    await store().set(fits, 1);
    expect(await store().get(fits)).toBe(1);
    const longer = [`${fits}k`, "ü".repeat(253)];
    for (const key of longer) {
      for (const attempt of [
        () => store().set(key, 1),
        () => store().get(key),
        () => store().delete(key),
      ]) {
        expect(await thrownBy(attempt())).toMatchObject({ kind: "invalid" });
      }
    }
    for (const key of [".", ".."]) {
      expect(await thrownBy(store("bare").set(key, 1))).toMatchObject({ kind: "invalid" });
      await store().set(key, key);
      expect(await store().get(key)).toBe(key);
    }
  });

  test("values larger than 25 MiB", async () => {
    const { set, get } = store();
    await set("large", 1);
    const over = 25 * 1024 * 1024 - 1;
    expect(await thrownBy(set("large", "x".repeat(over)))).toMatchObject({ kind: "invalid" });
    expect(await get("large")).toBe(1);
  });
});
