import { equal, ok } from "../assert.ts";
import type { StateCase } from "./case.ts";

export const values = {
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
      await state.set(key("bytes"), every.subarray(16, 32));
      equal(await state.get(key("bytes")), every.slice(16, 32), "a part of a buffer");
      await state.set(key("bytes"), every.buffer);
      equal(await state.get(key("bytes")), every, "an ArrayBuffer");
    },
  },
  "bytes that could be JSON stay bytes": {
    async run({ state, key }) {
      for (const text of ["1", "null", '{"a":1}', '"text"', ""]) {
        const bytes = new TextEncoder().encode(text);
        await state.set(key("k"), bytes);
        equal(await state.get(key("k")), bytes, `bytes of ${text}`);
      }
      await state.set(key("k"), 1);
      equal(await state.get(key("k")), 1, "JSON after them");
    },
  },
  "what is stored and what was read are each their own": {
    async run({ state, key }) {
      const bytes = new Uint8Array([1, 2, 3]);
      await state.set(key("bytes"), bytes);
      bytes[0] = 9;
      const read = await state.get<Uint8Array>(key("bytes"));
      equal(read, new Uint8Array([1, 2, 3]), "after writing into what was stored");
      if (read) read[0] = 9;
      equal(
        await state.get(key("bytes")),
        new Uint8Array([1, 2, 3]),
        "after writing into what was read",
      );
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
