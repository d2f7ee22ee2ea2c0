import { equal, ok } from "../assert.ts";
import type { StateCase } from "./case.ts";
import { etagRefused, refused } from "./refusals.ts";

export const etags = {
  "every write has a new ETag, and set answers it": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const first = await state.set(key("k"), 1);
      ok(first, "set answers an ETag");
      equal((await state.getItem(key("k")))?.etag, first, "the item's");
      equal((await state.getBulk([key("k")]))[0]?.etag, first, "the bulk item's");
      const second = await state.set(key("k"), 1);
      ok(second && second !== first, "the same value written again has another ETag");
    },
  },
  "a write under the current ETag succeeds, under a stale one it is a mismatch": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      const next = await state.set(key("k"), 2, { etag });
      ok(next && next !== etag, "a new ETag");
      await refused(state.set(key("k"), 3, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
      equal(await state.get(key("k")), 2, "the value after the mismatch");
      equal((await state.getItem(key("k")))?.etag, next, "the ETag after the mismatch");
    },
  },
  "a write under an ETag does not create": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      await state.delete(key("k"));
      await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
  "an ETag of a deleted item does not fit the one written after it": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      await state.delete(key("k"));
      await state.set(key("k"), 1);
      await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
    },
  },
  "a foreign ETag is refused": {
    needs: ["ETAG"],
    async run({ state, key }) {
      await state.set(key("k"), 1);
      for (const etag of ["bad-etag", "9999999", "' OR 1=1 --", 'W/"x"']) {
        await etagRefused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE");
        await etagRefused(state.delete(key("k"), { etag }), "ERR_STATE_DELETE");
      }
      equal(await state.get(key("k")), 1, "the item");
    },
  },
  "an empty ETag is refused": {
    needs: ["ETAG"],
    async run({ state, key }) {
      await state.set(key("k"), 1);
      await refused(state.set(key("k"), 2, { etag: "" }), "ERR_STATE_SAVE", "etag-invalid", 400);
      await refused(
        state.set(key("k"), 2, { etag: "", concurrency: "first-write" }),
        "ERR_STATE_SAVE",
        "etag-invalid",
        400,
      );
      await refused(state.delete(key("k"), { etag: "" }), "ERR_STATE_DELETE", "etag-invalid", 400);
      equal(await state.get(key("k")), 1, "the item");
    },
  },
  "first-write writes once": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1, { concurrency: "first-write" });
      await refused(
        state.set(key("k"), 2, { concurrency: "first-write" }),
        "ERR_STATE_SAVE",
        "etag-mismatch",
        409,
      );
      await state.set(key("k"), 3, { concurrency: "first-write", etag });
      await refused(
        state.set(key("k"), 4, { concurrency: "first-write", etag }),
        "ERR_STATE_SAVE",
        "etag-mismatch",
        409,
      );
      equal(await state.get(key("k")), 3, "the item");
      await state.delete(key("k"));
      await state.set(key("k"), 5, { concurrency: "first-write" });
    },
  },
  "last-write overwrites, whatever was there": {
    async run({ state, key }) {
      await state.set(key("k"), 1);
      await state.set(key("k"), 2, { concurrency: "last-write" });
      equal(await state.get(key("k")), 2, "the item");
    },
  },
  "delete under an ETag": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const stale = await state.set(key("k"), 1);
      const etag = await state.set(key("k"), 2);
      await refused(
        state.delete(key("k"), { etag: stale }),
        "ERR_STATE_DELETE",
        "etag-mismatch",
        409,
      );
      equal(await state.get(key("k")), 2, "the item after the mismatch");
      await state.delete(key("k"), { etag });
      equal(await state.get(key("k")), undefined, "the item after the delete");
      await refused(state.delete(key("k"), { etag }), "ERR_STATE_DELETE", "etag-mismatch", 409);
    },
  },
  "bulk writes with one stale ETag name it and write the rest": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const stale = await state.set(key("a"), 1);
      const etag = await state.set(key("a"), 2);
      const items = [
        { key: key("a"), value: 3, etag: stale },
        { key: key("b"), value: 3 },
      ];
      const error = await refused(state.setBulk(items), "ERR_STATE_SAVE", "etag-mismatch", 409);
      equal(
        error.failures.map((failure) => [failure.key, failure.error.kind]),
        [[key("a"), "etag-mismatch"]],
        "failures",
      );
      equal([await state.get(key("a")), await state.get(key("b"))], [2, 3], "the items");
      const gone = await refused(
        state.deleteBulk([{ key: key("a"), etag: stale }, key("b")]),
        "ERR_STATE_DELETE",
        "etag-mismatch",
        409,
      );
      equal(
        gone.failures.map((failure) => failure.key),
        [key("a")],
        "failures",
      );
      equal([await state.get(key("a")), await state.get(key("b"))], [2, undefined], "the items");
      await state.deleteBulk([{ key: key("a"), etag }]);
      equal(await state.get(key("a")), undefined, "after the delete under its ETag");
    },
  },
  "16 writers that insert at once: one wins": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 16 }, (_, index) =>
          state.set(key("race"), index, { concurrency: "first-write" }),
        ),
      );
      const winners = outcomes.flatMap(({ status }, index) =>
        status === "fulfilled" ? [index] : [],
      );
      equal(winners.length, 1, "winners");
      equal(await state.get(key("race")), winners[0], "the item");
    },
  },
  "16 updates at once lose nothing": {
    needs: ["ETAG"],
    async run({ state, key }) {
      await state.set(key("n"), 0);
      await Promise.all(
        Array.from({ length: 16 }, () =>
          state.update(key("n"), (value: unknown) => ((value as number) ?? 0) + 1),
        ),
      );
      equal(await state.get(key("n")), 16, "the counter");
    },
  },
  "an update that returns undefined writes nothing": {
    needs: ["ETAG"],
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      equal(await state.update(key("k"), () => undefined), 1, "the answer");
      equal((await state.getItem(key("k")))?.etag, etag, "the ETag");
    },
  },
  "ETags and first-write are refused": {
    lacks: "ETAG",
    async run({ state, key }) {
      await refused(
        state.set(key("k"), 1, { etag: "1" }),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      await refused(
        state.set(key("k"), 1, { concurrency: "first-write" }),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      await refused(
        state.delete(key("k"), { etag: "1" }),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      await refused(
        state.update(key("k"), () => 1),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
} as const satisfies Record<string, StateCase>;
