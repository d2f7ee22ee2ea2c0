import { expect, test } from "vitest";
import { mergeOperations } from "../../src/blocks/state/transaction.ts";
import type { StateOperation } from "../../src/contracts/state.ts";

const upsert = (key: string, n: number, when?: { etag: string } | "absent"): StateOperation => ({
  operation: "upsert",
  key,
  value: { json: String(n) },
  when,
  ttl: undefined,
});

test("the last operation on a key is what remains, under the condition of the first", () => {
  expect(mergeOperations([upsert("a", 1, { etag: "1" }), upsert("b", 1), upsert("a", 2)])).toEqual([
    upsert("a", 2, { etag: "1" }),
    upsert("b", 1),
  ]);
  expect(
    mergeOperations([{ operation: "delete", key: "a", when: { etag: "1" } }, upsert("a", 2)]),
  ).toEqual([upsert("a", 2, { etag: "1" })]);
  expect(
    mergeOperations([upsert("a", 1, { etag: "1" }), { operation: "delete", key: "a" }]),
  ).toEqual([{ operation: "delete", key: "a", when: { etag: "1" } }]);
});

test("a condition on a state in between is refused", () => {
  for (const later of [
    upsert("a", 2, { etag: "2" }),
    upsert("a", 2, "absent"),
    { operation: "delete", key: "a", when: { etag: "2" } } as const,
  ]) {
    expect(() => mergeOperations([upsert("a", 1), later])).toThrow(
      expect.objectContaining({ code: "ERR_MALFORMED_REQUEST" }),
    );
  }
  expect(() =>
    mergeOperations([upsert("a", 1, "absent"), { operation: "delete", key: "a" }]),
  ).toThrow(/inserts and deletes/);
});
