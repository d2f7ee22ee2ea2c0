import { equal, ok } from "../assert.ts";
import { beyond, type StateCase } from "./case.ts";
import { refused } from "./refusals.ts";

export const expiry = {
  "an item ends when its time is over, and says when": {
    needs: ["TTL"],
    async run(bed) {
      const { state, key, pass, now } = bed;
      const more = beyond(bed);
      const before = now();
      await state.set(key("long"), 1, { ttlInSeconds: 600 });
      const item = await state.getItem(key("long"));
      const expires = item?.ttlExpireTime?.getTime() ?? 0;
      ok(
        expires >= before + 600_000 && expires <= now() + 601_000,
        `it ends 600 to 601 s from ${before}, not at ${expires}`,
      );
      equal(expires % 1000, 0, "whole seconds");
      equal(
        (await state.getBulk([key("long")]))[0]?.ttlExpireTime,
        item?.ttlExpireTime,
        "the bulk item's",
      );
      await state.set(key("k"), 1, { ttlInSeconds: 2 + more });
      await pass(3000 + more * 1000);
      equal(await state.get(key("k")), undefined, "get");
      equal(await state.getItem(key("k")), undefined, "getItem");
      equal((await state.getBulk([key("k")]))[0]?.value, undefined, "getBulk");
    },
  },
  "an item is there until its time is over": {
    needs: ["TTL"],
    async run(bed) {
      const { state, key, pass } = bed;
      const more = beyond(bed);
      await state.set(key("k"), 1, { ttlInSeconds: 3 + more });
      await pass(2000 + more * 1000);
      equal(await state.get(key("k")), 1, "a second before");
    },
  },
  "a write without a time to live takes an earlier one away": {
    needs: ["TTL"],
    async run(bed) {
      const { state, key, pass } = bed;
      const more = beyond(bed);
      await state.set(key("a"), 1, { ttlInSeconds: 1 + more });
      await state.set(key("a"), 2);
      await state.set(key("b"), 1, { ttlInSeconds: 1 + more });
      await state.set(key("b"), 2, { ttlInSeconds: -1 });
      equal((await state.getItem(key("a")))?.ttlExpireTime, undefined, "no expiry");
      await pass(2000 + more * 1000);
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
    needs: ["ETAG", "TTL"],
    async run(bed) {
      const { state, key, pass } = bed;
      const more = beyond(bed);
      const etag = await state.set(key("k"), 1, { ttlInSeconds: 1 + more });
      await state.set(key("first"), 1, { ttlInSeconds: 1 + more });
      await pass(2000 + more * 1000);
      await refused(state.set(key("k"), 2, { etag }), "ERR_STATE_SAVE", "etag-mismatch", 409);
      await refused(state.delete(key("k"), { etag }), "ERR_STATE_DELETE", "etag-mismatch", 409);
      await state.set(key("first"), 2, { concurrency: "first-write" });
      equal(await state.get(key("first")), 2, "first-write over an expired item");
      await state.delete(key("k"));
      equal(await state.get(key("k")), undefined, "the item");
    },
  },
  "a time to live in a transaction holds, and one without it takes an earlier one away": {
    needs: ["TRANSACTIONAL", "TTL"],
    async run(bed) {
      const { state, key, pass } = bed;
      const more = beyond(bed);
      await state.set(key("stays"), 1, { ttlInSeconds: 1 + more });
      await state.transaction([
        { operation: "upsert", key: key("ends"), value: 1, ttlInSeconds: 1 + more },
        { operation: "upsert", key: key("stays"), value: 2 },
      ]);
      equal([await state.get(key("ends")), await state.get(key("stays"))], [1, 2], "before");
      await pass(2000 + more * 1000);
      equal([await state.get(key("ends")), await state.get(key("stays"))], [undefined, 2], "after");
    },
  },
  "an update keeps the item's time to live, also in its last second": {
    needs: ["ETAG", "TTL"],
    async run({ state, key, pass, now }) {
      await state.set(key("k"), 1, { ttlInSeconds: 3 });
      const end = (await state.getItem(key("k")))?.ttlExpireTime ?? new Date(0);
      for (const left of [1700, 500]) {
        await pass(end.getTime() - now() - left);
        await state.update(key("k"), () => left);
        const item = await state.getItem(key("k"));
        equal(
          [item?.value, item?.ttlExpireTime],
          [left, end],
          `value and end, ${left} ms before it`,
        );
      }
      await pass(2000);
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
} as const satisfies Record<string, StateCase>;
