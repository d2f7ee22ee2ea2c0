import type { State } from "../blocks/state/api.ts";
import type { StateFeature } from "../contracts/state.ts";
import { ApiError, type ErrorCode, type ErrorKind } from "../errors.ts";
import { equal, ok, rejection } from "./assert.ts";

/** What a case gets: an opened store with nothing in it under the keys that the case uses. */
export interface StateBed {
  readonly state: State;
  /** Makes a key that no other case and no other run uses. */
  key(name: string): string;
  /** Lets `ms` go by on the clock that the store's time to live obeys. */
  pass(ms: number): Promise<void>;
  /** Milliseconds on that clock. */
  now(): number;
}

export interface StateCase {
  /** Run only for stores that claim the feature. */
  readonly needs?: StateFeature;
  /** Run only for stores that do not claim it: they must refuse. */
  readonly lacks?: StateFeature;
  run(bed: StateBed): Promise<void>;
}

/**
 * What every state store must do. A case is skipped only where its feature decides so; the names are the
 * type of a suite's own list of skips, so that a misspelt one does not compile.
 */
export const stateCases = {
  "JSON values of every shape come back equal": {
    async run({ state, key }) {
      const values = [
        123,
        -1.5e-9,
        true,
        false,
        null,
        "",
        "plain",
        '{"json":"text"}',
        "üñí ✓ 🐎",
        {},
        [],
        { a: { b: [1, { c: null }] } },
        { n: 9007199254740991 },
      ];
      for (const [index, value] of values.entries()) {
        await state.set(key(`shape-${index}`), value);
        equal(await state.get(key(`shape-${index}`)), value, `value ${index}`);
      }
    },
  },
  "bytes come back byte for byte": {
    async run({ state, key }) {
      const every = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const bytes of [every, new Uint8Array(1), new Uint8Array()]) {
        await state.set(key("bytes"), bytes);
        const back = await state.get<Uint8Array>(key("bytes"));
        ok(back instanceof Uint8Array, "bytes come back as Uint8Array");
        equal(back, bytes, `${bytes.length} bytes`);
      }
      await state.set(key("bytes"), every.buffer);
      equal(await state.get(key("bytes")), every, "an ArrayBuffer");
    },
  },
  "JSON replaces bytes and bytes replace JSON": {
    async run({ state, key }) {
      await state.set(key("k"), new Uint8Array([1]));
      await state.set(key("k"), { json: true });
      equal(await state.get(key("k")), { json: true }, "JSON after bytes");
      await state.set(key("k"), new Uint8Array([2]));
      equal(await state.get(key("k")), new Uint8Array([2]), "bytes after JSON");
    },
  },
  "a missing key reads as undefined": {
    async run({ state, key }) {
      equal(await state.get(key("missing")), undefined, "get");
      equal(await state.getItem(key("missing")), undefined, "getItem");
    },
  },
  "a stored null is not a missing key": {
    async run({ state, key }) {
      await state.set(key("null"), null);
      const item = await state.getItem(key("null"));
      ok(item && item.value === null, "an item whose value is null");
    },
  },
  "keys are told apart by case, spaces, slashes, percent signs and quotes": {
    async run({ state, key }) {
      const names = [
        "a",
        "A",
        "a b",
        "a/b",
        "a%2Fb",
        "a'b",
        'a"b',
        "a\\b",
        "a|b",
        "ä",
        "a_b",
        "a%b",
        "' OR 1=1 --",
        "__proto__",
      ];
      for (const name of names) await state.set(key(name), name);
      for (const name of names) equal(await state.get(key(name)), name, `key ${name}`);
      await state.delete(key("' OR 1=1 --"));
      equal(await state.get(key("a")), "a", "a key beside the one with SQL in it");
    },
  },
  "delete removes the item, and a second one is not an error": {
    async run({ state, key }) {
      await state.set(key("k"), 1);
      await state.delete(key("k"));
      equal(await state.get(key("k")), undefined, "after delete");
      await state.delete(key("k"));
      await state.delete(key("never"));
    },
  },
  "bulk get has one entry per key, in their order, also for missing and repeated keys": {
    async run({ state, key }) {
      await state.set(key("a"), 1);
      await state.set(key("c"), 3);
      const items = await state.getBulk([key("c"), key("b"), key("a"), key("c")]);
      equal(
        items.map((item) => [item.key, item.value]),
        [
          [key("c"), 3],
          [key("b"), undefined],
          [key("a"), 1],
          [key("c"), 3],
        ],
        "entries",
      );
      equal(await state.getBulk([]), [], "no keys");
    },
  },
  "bulk get takes 250 keys": {
    async run({ state, key }) {
      const keys = Array.from({ length: 250 }, (_, index) => key(`many-${index}`));
      await state.setBulk(keys.map((name, index) => ({ key: name, value: index })));
      const items = await state.getBulk(keys, { parallelism: 50 });
      equal(
        items.map(({ value }) => value),
        keys.map((_, index) => index),
        "values",
      );
    },
  },
  "bulk set and bulk delete reach every key": {
    async run({ state, key }) {
      const keys = Array.from({ length: 7 }, (_, index) => key(`bulk-${index}`));
      await state.setBulk(keys.map((name) => ({ key: name, value: name })));
      for (const name of keys) equal(await state.get(name), name, name);
      await state.deleteBulk(keys.slice(0, 2));
      equal(
        (await state.getBulk(keys)).map(({ value }) => value !== undefined),
        [false, false, true, true, true, true, true],
        "after delete",
      );
    },
  },
  "a key that cannot be is refused and nothing is written": {
    async run({ state, key }) {
      for (const bad of ["", "a||b"]) {
        await refused(state.set(bad, 1), "ERR_MALFORMED_REQUEST", "invalid");
        await refused(state.get(bad), "ERR_MALFORMED_REQUEST", "invalid");
        await refused(state.delete(bad), "ERR_MALFORMED_REQUEST", "invalid");
      }
      const error = await rejection(
        state.setBulk([
          { key: key("good"), value: 1 },
          { key: "a||b", value: 2 },
        ]),
        "bulk set",
      );
      ok(
        ApiError.is(error) && error.failures.length === 1 && error.failures[0]?.key === "a||b",
        "the failure names the bad key",
      );
    },
  },
  "a value that is not JSON is refused and nothing is written": {
    async run({ state, key }) {
      await state.set(key("k"), "before");
      const circular: Record<string, unknown> = {};
      circular.self = circular;
      for (const bad of [
        undefined,
        () => 1,
        Symbol("s"),
        10n,
        circular,
        Number.NaN,
        Number.POSITIVE_INFINITY,
      ]) {
        await refused(state.set(key("k"), bad), "ERR_STATE_SAVE", "invalid");
      }
      equal(await state.get(key("k")), "before", "the item");
    },
  },
  "options that cannot be are refused and nothing is written": {
    async run({ state, key }) {
      const bad = [
        { concurrency: "maybe" },
        { consistency: "some" },
        { ttlInSeconds: 1.5 },
        { ttlInSeconds: -2 },
        { ttlInSeconds: 2 ** 31 },
        { ttlInSeconds: "foo" },
      ];
      for (const options of bad)
        await refused(state.set(key("k"), 1, options as never), "ERR_MALFORMED_REQUEST", "invalid");
      await refused(
        state.get(key("k"), { consistency: "some" } as never),
        "ERR_MALFORMED_REQUEST",
        "invalid",
      );
      equal(await state.get(key("k")), undefined, "the item");
    },
  },

  "every write has a new ETag, and set answers it": {
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      await state.delete(key("k"));
      await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
  "an ETag of a deleted item does not fit the one written after it": {
    needs: "ETAG",
    async run({ state, key }) {
      const etag = await state.set(key("k"), 1);
      await state.delete(key("k"));
      await state.set(key("k"), 1);
      await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
    },
  },
  "a foreign ETag is refused": {
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
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
    needs: "ETAG",
    async run({ state, key }) {
      await Promise.all(
        Array.from({ length: 16 }, () =>
          state.update(key("n"), (value: unknown) => ((value as number) ?? 0) + 1),
        ),
      );
      equal(await state.get(key("n")), 16, "the counter");
    },
  },
  "an update that returns undefined writes nothing": {
    needs: "ETAG",
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

  "a transaction upserts and deletes": {
    needs: "TRANSACTIONAL",
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
    needs: "TRANSACTIONAL",
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
    needs: "TRANSACTIONAL",
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
    needs: "TRANSACTIONAL",
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
    needs: "TRANSACTIONAL",
    async run({ state, key }) {
      const keys = Array.from({ length: 100 }, (_, index) => key(`t-${index}`));
      await state.transaction(keys.map((name) => ({ operation: "upsert", key: name, value: 1 })));
      const items = await state.getBulk(keys);
      equal(items.filter(({ value }) => value === 1).length, 100, "written");
    },
  },
  "a malformed operation is refused and nothing is written": {
    needs: "TRANSACTIONAL",
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

  "an item ends when its time is over, and says when": {
    needs: "TTL",
    async run({ state, key, pass, now }) {
      const before = now();
      await state.set(key("k"), 1, { ttlInSeconds: 2 });
      const item = await state.getItem(key("k"));
      const expires = item?.ttlExpireTime?.getTime() ?? 0;
      ok(
        expires >= before + 2000 && expires <= now() + 3000,
        `it ends 2 to 3 s from ${before}, not at ${expires}`,
      );
      equal(expires % 1000, 0, "whole seconds");
      equal(
        (await state.getBulk([key("k")]))[0]?.ttlExpireTime,
        item?.ttlExpireTime,
        "the bulk item's",
      );
      await pass(3000);
      equal(await state.get(key("k")), undefined, "get");
      equal(await state.getItem(key("k")), undefined, "getItem");
      equal((await state.getBulk([key("k")]))[0]?.value, undefined, "getBulk");
    },
  },
  "an item is there until its time is over": {
    needs: "TTL",
    async run({ state, key, pass }) {
      await state.set(key("k"), 1, { ttlInSeconds: 3 });
      await pass(2000);
      equal(await state.get(key("k")), 1, "a second before");
    },
  },
  "a write without a time to live takes an earlier one away": {
    needs: "TTL",
    async run({ state, key, pass }) {
      await state.set(key("a"), 1, { ttlInSeconds: 1 });
      await state.set(key("a"), 2);
      await state.set(key("b"), 1, { ttlInSeconds: 1 });
      await state.set(key("b"), 2, { ttlInSeconds: -1 });
      await state.set(key("c"), 1, { ttlInSeconds: 1 });
      await state
        .transaction?.([{ operation: "upsert", key: key("c"), value: 2 }])
        .catch(ignoreUnsupported);
      equal((await state.getItem(key("a")))?.ttlExpireTime, undefined, "no expiry");
      await pass(2000);
      equal([await state.get(key("a")), await state.get(key("b"))], [2, 2], "the items");
    },
  },
  "an item without a time to live has no expiry": {
    async run({ state, key }) {
      await state.set(key("k"), 1);
      equal((await state.getItem(key("k")))?.ttlExpireTime, undefined, "expiry");
    },
  },
  "an expired item is absent to every condition": {
    needs: "TTL",
    async run({ state, key, pass }) {
      const etag = await state.set(key("k"), 1, { ttlInSeconds: 1 });
      await state.set(key("first"), 1, { ttlInSeconds: 1 });
      await pass(2000);
      if (etag) {
        await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
        await refused(state.delete(key("k"), { etag }), "ERR_STATE_DELETE", "etag-mismatch", 409);
        await state.set(key("first"), 2, { concurrency: "first-write" });
        equal(await state.get(key("first")), 2, "first-write over an expired item");
      }
      await state.delete(key("k"));
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
  "a time to live in a transaction holds": {
    needs: "TTL",
    async run({ state, key, pass }) {
      try {
        await state.transaction([
          { operation: "upsert", key: key("k"), value: 1, ttlInSeconds: 1 },
        ]);
      } catch (error) {
        return ignoreUnsupported(error);
      }
      equal(await state.get(key("k")), 1, "before");
      await pass(2000);
      equal(await state.get(key("k")), undefined, "after");
    },
  },
  "an update keeps the item's time to live": {
    needs: "TTL",
    async run({ state, key, pass }) {
      await state.set(key("k"), 1, { ttlInSeconds: 10 });
      try {
        await state.update(key("k"), () => 2);
      } catch (error) {
        return ignoreUnsupported(error);
      }
      ok((await state.getItem(key("k")))?.ttlExpireTime, "it still ends");
      await pass(12_000);
      equal(await state.get(key("k")), undefined, "after its time");
    },
  },
  "a time to live is refused": {
    lacks: "TTL",
    async run({ state, key }) {
      await refused(
        state.set(key("k"), 1, { ttlInSeconds: 60 }),
        "ERR_STATE_STORE_NOT_SUPPORTED",
        "unsupported",
      );
      equal(await state.get(key("k")), undefined, "the item");
    },
  },

  "keys are listed by prefix, page by page, each once": {
    needs: "LIST",
    async run({ state, key }) {
      const keys = Array.from({ length: 25 }, (_, index) =>
        key(`list-${String(index).padStart(2, "0")}`),
      );
      await state.setBulk(keys.map((name) => ({ key: name, value: 1 })));
      await state.set(key("other"), 1);
      for (const limit of [25, 7, 1000]) {
        const { seen, pages } = await listAll(state, key("list-"), limit);
        equal([...seen].sort(), keys, `keys in pages of ${limit}`);
        ok(pages <= Math.ceil(25 / limit) + 1, `${pages} pages of ${limit}`);
      }
      equal((await state.list({ prefix: key("nothing-") })).keys, [], "no keys");
    },
  },
  "a prefix is text, not a pattern": {
    needs: "LIST",
    async run({ state, key }) {
      for (const name of ["p%x", "p_x", "pyx", "P%x", "p\\x"]) await state.set(key(name), 1);
      for (const [prefix, wanted] of [
        ["p%", ["p%x"]],
        ["p_", ["p_x"]],
        ["p\\", ["p\\x"]],
        ["P", ["P%x"]],
      ] as const) {
        const { keys } = await state.list({ prefix: key(prefix) });
        equal(keys, wanted.map(key), `prefix ${prefix}`);
      }
    },
  },
  "writes and deletes between two pages neither repeat nor hide other keys": {
    needs: "LIST",
    async run({ state, key }) {
      const keys = Array.from({ length: 6 }, (_, index) => key(`page-${index}`));
      await state.setBulk(keys.map((name) => ({ key: name, value: 1 })));
      const first = await state.list({ prefix: key("page-"), limit: 3 });
      ok(first.cursor, "a cursor");
      await state.delete(first.keys[2] as string);
      await state.set(first.keys[0] as string, 2);
      const rest = await listAll(state, key("page-"), 3, first.cursor);
      const seen = [...first.keys, ...rest.seen];
      equal([...new Set(seen)].sort(), keys, "all keys");
      ok(seen.length <= keys.length + 1, "at most the key that was written again comes twice");
    },
  },
  "deleted and expired keys are not listed": {
    needs: "LIST",
    async run({ state, key, pass }) {
      await state.set(key("gone"), 1);
      await state.delete(key("gone"));
      await state.set(key("kept"), 1);
      await state.set(key("ends"), 1, { ttlInSeconds: 1 }).catch(ignoreUnsupported);
      await pass(2000);
      equal((await state.list({ prefix: key("") })).keys, [key("kept")], "keys");
    },
  },
  "a page that cannot be is refused": {
    needs: "LIST",
    async run({ state }) {
      for (const limit of [0, -1, 1.5, 1001])
        await refused(state.list({ limit }), "ERR_MALFORMED_REQUEST", "invalid");
      await refused(state.list({ prefix: "a||b" }), "ERR_MALFORMED_REQUEST", "invalid");
    },
  },
  "listing is refused": {
    lacks: "LIST",
    async run({ state }) {
      await refused(state.list(), "ERR_STATE_STORE_NOT_SUPPORTED", "unsupported");
    },
  },

  "values of 100 kB come back whole": {
    async run({ state, key }) {
      const text = "0123456789".repeat(10_000);
      await state.set(key("text"), text);
      equal(await state.get(key("text")), text, "text");
      const bytes = new Uint8Array(100_000).map((_, index) => index % 251);
      await state.set(key("bytes"), bytes);
      const back = await state.get<Uint8Array>(key("bytes"));
      ok(
        back?.length === bytes.length && bytes.every((byte, index) => back[index] === byte),
        "bytes",
      );
    },
  },
} as const satisfies Record<string, StateCase>;

export type StateCaseName = keyof typeof stateCases;

async function listAll(state: State, prefix: string, limit: number, cursor?: string) {
  const seen: string[] = [];
  let pages = 0;
  let from = cursor;
  do {
    const page = await state.list({ prefix, limit, cursor: from });
    seen.push(...page.keys);
    from = page.cursor;
    pages++;
  } while (from !== undefined && pages < 100);
  return { seen, pages };
}

async function refused(
  work: Promise<unknown>,
  code: ErrorCode,
  kind: ErrorKind,
  status?: number,
): Promise<ApiError> {
  const error = await rejection(work, `${code} (${kind})`);
  ok(ApiError.is(error), `an ApiError, not ${error}`);
  equal([error.code, error.kind], [code, kind], error.message);
  if (status !== undefined) equal(error.status, status, error.message);
  return error;
}

/** Stores may find a foreign ETag malformed or merely another's; both change nothing. */
async function etagRefused(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await rejection(work, code);
  ok(
    ApiError.is(error, "etag-mismatch") || ApiError.is(error, "etag-invalid"),
    `an etag error, not ${error}`,
  );
  equal(error.code, code, error.message);
}

function ignoreUnsupported(error: unknown): void {
  if (!ApiError.is(error, "unsupported")) throw error;
}
