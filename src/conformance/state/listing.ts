import type { State } from "../../blocks/state/api.ts";
import { equal, ok } from "../assert.ts";
import type { StateCase } from "./case.ts";
import { refused } from "./refusals.ts";

export const listing = {
  "keys are listed by prefix, page by page, each once": {
    needs: ["LIST"],
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
    needs: ["LIST"],
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
    needs: ["LIST"],
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
    needs: ["LIST", "TTL"],
    async run({ state, key, pass }) {
      await state.set(key("gone"), 1);
      await state.delete(key("gone"));
      await state.set(key("kept"), 1);
      await state.set(key("ends"), 1, { ttlInSeconds: 1 });
      await pass(2000);
      equal((await state.list({ prefix: key("") })).keys, [key("kept")], "keys");
    },
  },
  "a page that cannot be is refused": {
    needs: ["LIST"],
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
} as const satisfies Record<string, StateCase>;

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
