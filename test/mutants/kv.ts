import type { Mutant } from "./mutant.ts";

const suite = ["test/workers/kv-conformance.test.ts"];
const own = ["test/workers/kv.test.ts"];
const file = "bindings/cloudflare/kv.ts";

export const kv: readonly Mutant[] = [
  {
    name: "kv: an item that KV still has does not end",
    file,
    replace: "item.expires * 1000 <= clock.now() ? undefined : item",
    by: "item.expires * 1000 <= 0 ? undefined : item",
    tests: suite,
  },
  {
    name: "kv: bytes are not marked",
    file,
    replace: `...("bytes" in value && { bytes: true as const }), expires`,
    by: "expires",
    tests: suite,
  },
  {
    name: "kv: KV is not told of the end",
    file,
    replace: "{ metadata, expirationTtl: Math.min(ttl + 1, MAX_TTL) }",
    by: "{ metadata }",
    tests: own,
  },
  {
    name: "kv: a time to live below the least one is left to KV",
    file,
    replace: "ttl < LEAST_TTL",
    by: "ttl < 0",
    tests: own,
  },
  {
    name: "kv: strong reads and writes are taken",
    file,
    replace: `if (consistency !== "strong") return;`,
    by: "if (consistency) return;",
    tests: own,
  },
];
