import { ApiError } from "../../errors.ts";
import { equal, ok, rejection } from "../assert.ts";
import type { StateCase } from "./case.ts";
import { refused } from "./refusals.ts";

export const requests = {
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
      for (const bad of ["", "a||b", "\ud800", "a\udfffb", "a\0b"]) {
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
        new Float32Array(1),
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
} as const satisfies Record<string, StateCase>;
