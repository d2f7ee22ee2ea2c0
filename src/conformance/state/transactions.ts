import { equal, ok } from "../assert.ts";
import type { StateCase } from "./case.ts";
import { refused } from "./refusals.ts";

export const transactions = {
  "a transaction upserts and deletes": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      await state.set(key("old"), 1);
      await state.transaction([
        { operation: "upsert", key: key("a"), value: { n: 1 } },
        { operation: "upsert", key: key("b"), value: new Uint8Array([7]) },
        { operation: "delete", key: key("old") },
        { operation: "delete", key: key("never") },
      ]);
      equal(
        [await state.get(key("a")), await state.get(key("b")), await state.get(key("old"))],
        [{ n: 1 }, new Uint8Array([7]), undefined],
        "the items",
      );
      await state.transaction([]);
    },
  },
  "operations of a transaction apply in order": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      await state.set(key("1"), 0);
      await state.transaction([
        { operation: "delete", key: key("1") },
        { operation: "upsert", key: key("2"), value: 1 },
        { operation: "delete", key: key("2") },
        { operation: "upsert", key: key("3"), value: 1 },
        { operation: "upsert", key: key("3"), value: 2 },
      ]);
      equal(
        [await state.get(key("1")), await state.get(key("2")), await state.get(key("3"))],
        [undefined, undefined, 2],
        "the items",
      );
    },
  },
  "a transaction with one stale ETag writes nothing": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      const stale = await state.set(key("a"), 1);
      await state.set(key("a"), 2);
      await state.set(key("c"), "kept");
      for (const guard of [
        { operation: "upsert", key: key("a"), value: 3, etag: stale },
        { operation: "upsert", key: key("a"), value: 3, concurrency: "first-write" },
        { operation: "delete", key: key("a"), etag: stale },
      ] as const) {
        const error = await refused(
          state.transaction([
            { operation: "upsert", key: key("b"), value: 1 },
            { operation: "delete", key: key("c") },
            guard,
          ]),
          "ERR_STATE_TRANSACTION",
          "etag-mismatch",
          500,
        );
        ok(error.message.includes(key("a")), `the message names the key: ${error.message}`);
      }
      equal(
        [await state.get(key("a")), await state.get(key("b")), await state.get(key("c"))],
        [2, undefined, "kept"],
        "the items",
      );
    },
  },
  "a transaction under current ETags commits": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      const [a, b] = [await state.set(key("a"), 1), await state.set(key("b"), 1)];
      await state.transaction([
        { operation: "upsert", key: key("a"), value: 2, etag: a },
        { operation: "delete", key: key("b"), etag: b },
        { operation: "upsert", key: key("c"), value: 2, concurrency: "first-write" },
      ]);
      equal(
        [await state.get(key("a")), await state.get(key("b")), await state.get(key("c"))],
        [2, undefined, 2],
        "the items",
      );
      await refused(
        state.transaction([{ operation: "upsert", key: key("a"), value: 3, etag: a }]),
        "ERR_STATE_TRANSACTION",
        "etag-mismatch",
        500,
      );
    },
  },
  "a transaction of 100 operations commits": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      const keys = Array.from({ length: 100 }, (_, index) => key(`t-${index}`));
      await state.transaction(keys.map((name) => ({ operation: "upsert", key: name, value: 1 })));
      const items = await state.getBulk(keys);
      equal(items.filter(({ value }) => value === 1).length, 100, "written");
    },
  },
  "a malformed operation is refused and nothing is written": {
    needs: ["TRANSACTIONAL"],
    async run({ state, key }) {
      const good = { operation: "upsert", key: key("good"), value: 1 } as const;
      for (const bad of [
        { operation: "replace", key: key("k"), value: 1 },
        { operation: "upsert", key: "a||b", value: 1 },
        { operation: "upsert", key: key("good"), value: 2, etag: "1" },
      ]) {
        await refused(state.transaction([good, bad as never]), "ERR_MALFORMED_REQUEST", "invalid");
      }
      await refused(
        state.transaction([good, { operation: "upsert", key: key("k"), value: undefined }]),
        "ERR_STATE_TRANSACTION",
        "invalid",
      );
      equal(await state.get(key("good")), undefined, "the good operation's item");
    },
  },
  "transactions are refused": {
    lacks: "TRANSACTIONAL",
    async run({ state, key }) {
      await refused(
        state.transaction([{ operation: "upsert", key: key("k"), value: 1 }]),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
} as const satisfies Record<string, StateCase>;
