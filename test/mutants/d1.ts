import type { Mutant } from "./mutant.ts";

const suite = ["test/workers/d1-conformance.test.ts"];
const answers = ["test/workers/d1-answers.test.ts"];
const layout = ["test/workers/d1.test.ts"];
const queries = "bindings/cloudflare/_d1-table.ts";
const store = "bindings/cloudflare/d1.ts";

export const d1: readonly Mutant[] = [
  {
    name: "d1: expired rows are read",
    file: queries,
    replace: "`(expiration_time IS NULL OR expiration_time > ${now})`",
    by: "`(expiration_time IS NULL OR ${now} IS NOT NULL)`",
    tests: suite,
  },
  {
    name: "d1: an update does not ask for the ETag",
    file: queries,
    replace: `WHERE key = ?1 AND etag = ?7 AND`,
    by: `WHERE key = ?1 AND ?7 IS NOT NULL AND`,
    tests: suite,
  },
  {
    name: "d1: a delete does not ask for the ETag",
    file: queries,
    replace: "WHERE key = ?1 AND etag = ?2 AND",
    by: "WHERE key = ?1 AND ?2 IS NOT NULL AND",
    tests: suite,
  },
  {
    name: "d1: first-write writes over what is there",
    file: queries,
    replace: "WHERE ${table}.expiration_time <= excluded.update_time RETURNING 1",
    by: "WHERE true RETURNING 1",
    tests: suite,
  },
  {
    name: "d1: a transaction does not check its conditions",
    file: store,
    replace: "if (conditions.length > 0) {",
    by: "if (conditions.length > 1000) {",
    tests: suite,
  },
  {
    name: "d1: a transaction's mismatch names the next key",
    file: queries,
    replace: "return found ? Number(found[1]) : undefined;",
    by: "return found ? Number(found[1]) + 1 : undefined;",
    tests: layout,
  },
  {
    name: "d1: a missing table is not made",
    file: "bindings/cloudflare/_d1.ts",
    replace: "if (!/no such table/.test(messageOf(cause)))",
    by: "if (/no such table/.test(messageOf(cause)))",
    tests: suite,
  },
  {
    name: "d1: a row may be larger than D1 takes",
    file: store,
    replace: "+ ROW_REST > MAX_ROW)",
    by: "+ ROW_REST > 9 * MAX_ROW)",
    tests: layout,
  },
  {
    name: "d1: a mismatch is believed after a repeated attempt",
    file: store,
    replace: "if ((meta.total_attempts ?? 1) === 1) throw mismatch(key);",
    by: "throw mismatch(key);",
    tests: answers,
  },
  {
    name: "d1: expired rows are removed by every isolate",
    file: queries,
    replace: "(SELECT 1 FROM ${metadata} WHERE key = 'last-cleanup' AND value > ?2)",
    by: "(SELECT 1 FROM ${metadata} WHERE key = 'last-cleanup' AND value > ?2 AND false)",
    tests: layout,
  },
];
