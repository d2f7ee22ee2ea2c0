import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DynamoDB } from "../harness/dynamodb.ts";
import {
  absent,
  component,
  type Emulators,
  emulators,
  startUnlessAbsent,
  stateOn,
  type Transports,
} from "./_beds.ts";
import { type FaultyProxy, startProxy } from "./_proxy.ts";

for (const emulator of emulators) {
  const reason = absent(emulator);
  describe.skipIf(reason)(reason ? `${emulator} (skipped: ${reason})` : emulator, () => {
    for (const transport of ["light", "sdk"] as const)
      describe(transport, () => cases(emulator, transport));
  });
}

function cases(emulator: Emulators, transport: Transports): void {
  let server: DynamoDB;
  let proxy: FaultyProxy;
  let state: ReturnType<typeof stateOn>;
  beforeAll(async () => {
    server = (await startUnlessAbsent(emulator)) as DynamoDB;
    await server.createTable("orders", { ttl: "expires" });
    proxy = await startProxy(server.endpoint);
    state = stateOn(
      component(transport, proxy.endpoint, { table: "orders", ttlAttributeName: "expires" }),
    );
  });
  beforeEach(() => {
    proxy.seen.length = 0;
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  test("a write under an ETag whose answer was lost is not a conflict", async () => {
    const etag = await state.set("set", 1);
    proxy.loseNextAnswer("PutItem");
    const next = await state.set("set", 2, { etag });
    expect(await state.getItem("set")).toMatchObject({ value: 2, etag: next });
    expect(proxy.seen).toEqual(["PutItem", "PutItem", "PutItem", "GetItem"]);
    await expect(state.set("set", 3, { etag })).rejects.toMatchObject({ kind: "etag-mismatch" });
  });

  test("a first write whose answer was lost is not a conflict", async () => {
    proxy.loseNextAnswer("PutItem");
    const etag = await state.set("first", 1, { concurrency: "first-write" });
    expect(await state.getItem("first")).toMatchObject({ value: 1, etag });
    await expect(state.set("first", 2, { concurrency: "first-write" })).rejects.toMatchObject({
      kind: "etag-mismatch",
    });
  });

  test("a delete under an ETag whose answer was lost is not a conflict", async () => {
    const etag = await state.set("delete", 1);
    proxy.loseNextAnswer("DeleteItem");
    await state.delete("delete", { etag });
    expect(proxy.seen).toEqual(["PutItem", "DeleteItem", "DeleteItem"]);
    expect(await state.get("delete")).toBeUndefined();
    await expect(state.delete("delete", { etag })).rejects.toMatchObject({ kind: "etag-mismatch" });
  });

  test("a retried delete that meets another item is a conflict", async () => {
    const etag = await state.set("kept", 1);
    await state.set("kept", 2);
    proxy.loseNextRequest("DeleteItem");
    await expect(state.delete("kept", { etag })).rejects.toMatchObject({ kind: "etag-mismatch" });
    expect(await state.get("kept")).toBe(2);
  });

  test("a transaction whose answer was lost is applied once and is not a conflict", async () => {
    const etag = await state.set("t1", 1);
    proxy.loseNextAnswer("TransactWriteItems");
    await state.transaction([
      { operation: "upsert", key: "t1", value: 2, etag },
      { operation: "upsert", key: "t2", value: 2, concurrency: "first-write" },
    ]);
    expect(proxy.seen).toEqual(["PutItem", "TransactWriteItems", "TransactWriteItems"]);
    expect([await state.get("t1"), await state.get("t2")]).toEqual([2, 2]);
  });

  test("requests that were lost are sent again", async () => {
    proxy.loseNextRequest("PutItem");
    await state.set("again", 1);
    proxy.loseNextRequest("GetItem");
    expect(await state.get("again")).toBe(1);
    proxy.loseNextAnswer("BatchGetItem");
    expect((await state.getBulk(["again"])).map(({ value }) => value)).toEqual([1]);
  });

  test("no server at all is unavailable", async () => {
    const gone = await startProxy(server.endpoint);
    await gone.stop();
    const nobody = stateOn(component(transport, gone.endpoint, { table: "orders" }));
    await expect(nobody.get("a")).rejects.toMatchObject({
      code: "ERR_STATE_GET",
      kind: "unavailable",
      retry: true,
    });
    const error = await nobody
      .transaction([{ operation: "upsert", key: "a", value: 1 }])
      .catch((reason) => reason);
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(error.message).not.toContain("nothing was written");
  });
}
