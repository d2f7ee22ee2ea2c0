import type { Mutant } from "./mutant.ts";

const layout = ["test/node/upstash-layout.test.ts"];
const trouble = ["test/node/upstash-trouble.test.ts"];
const client = "bindings/_upstash-client.ts";

export const upstash: readonly Mutant[] = [
  {
    name: "upstash: a write is sent again",
    file: client,
    replace: "retry: { retries: 0 }",
    by: "retry: { retries: 1, backoff: () => 1 }",
    tests: trouble,
  },
  {
    name: "upstash: errors quote the command",
    file: client,
    replace: `.split(", command was: ")`,
    by: `.split(", command was not: ")`,
    tests: trouble,
  },
  {
    name: "upstash: a wrong token is taken for an outage",
    file: client,
    replace: `return failure("config", "Upstash does not accept the token: check the setting token");`,
    by: `return failure("unavailable", "Upstash does not accept the token: check the setting token");`,
    tests: trouble,
  },
  {
    name: "upstash: a call does not end with its time",
    file: client,
    replace: "setTimeout(() => end(unavailable(lateBy(limit))), limit)",
    by: "setTimeout(() => end(unavailable(lateBy(limit))), limit + 20_000)",
    tests: trouble,
  },
  {
    name: "upstash: a caller who goes away is not heard",
    file: client,
    replace: `call.signal?.addEventListener("abort", abort, { once: true });`,
    by: "",
    tests: trouble,
  },
  {
    name: "upstash: bytes above 127 are left to JSON",
    file: "bindings/_upstash-scripts.ts",
    replace: "if not string.find(bytes, '[\\\\128-\\\\255]') then return '=' .. bytes end",
    by: "if bytes then return '=' .. bytes end",
    tests: layout,
  },
  {
    name: "upstash: every read is left to a replica",
    file: "bindings/upstash.ts",
    replace: `const replica = consistency === "eventual";`,
    by: `const replica = consistency !== "strong";`,
    tests: layout,
  },
  {
    name: "upstash: a write that must reach every replica is taken",
    file: "bindings/upstash.ts",
    replace: "operations.forEach(refuseStrong);",
    by: "if (operations.length === 0) operations.forEach(refuseStrong);",
    tests: layout,
  },
];
