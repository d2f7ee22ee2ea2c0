import type { Mutant } from "./mutant.ts";

const layout = ["test/node/redis-layout.test.ts"];
const conformance = ["test/node/redis-conformance.test.ts"];
const trouble = ["test/node/redis-trouble.test.ts"];
const faults = ["test/node/redis-faults.test.ts"];
const answers = ["test/node/redis-link.test.ts"];
const scripts = "bindings/_redis.ts";
const link = "bindings/node/_redis-link.ts";

export const redis: readonly Mutant[] = [
  {
    name: "redis: a write does not look at the version",
    file: scripts,
    replace: "elseif when ~= '' and when ~= fields[1] then",
    by: "elseif when == 'never' then",
    tests: layout,
  },
  {
    name: "redis: versions are compared as numbers",
    file: scripts,
    replace: "elseif when ~= '' and when ~= fields[1] then",
    by: "elseif when ~= '' and tonumber(when) ~= tonumber(fields[1]) then",
    tests: layout,
  },
  {
    name: "redis: a string is nothing to first-write",
    file: scripts,
    replace: "if fields[1] or redis.call('EXISTS', key) == 1 then return i end",
    by: "if fields[1] then return i end",
    tests: layout,
  },
  {
    name: "redis: a write without a time to live leaves an earlier one",
    file: scripts,
    replace: "redis.call('PERSIST', key)",
    by: "redis.call('EXISTS', key)",
    tests: layout,
  },
  {
    name: "redis: a time to live ends with the second before",
    file: scripts,
    replace: "(now[2] == '0' and 0 or 1)",
    by: "0",
    tests: conformance,
  },
  {
    name: "redis: a new item starts at version 1",
    file: scripts,
    replace: "return `${three()}${three()}${three()}${three()}${three()}`;",
    by: 'return three() < 0 ? "" : "1";',
    tests: conformance,
  },
  {
    name: "redis: a new item's version may begin with 0",
    file: scripts,
    replace: "100 + Math.floor(random.number() * 900)",
    by: "Math.floor(random.number() * 1000)",
    tests: ["test/node/redis-version.test.ts"],
  },
  {
    name: "redis: the mark of bytes outlives Dapr's next write",
    file: scripts,
    replace: "bytes !== null && toText(bytes) === etag",
    by: "bytes !== null && toText(bytes) !== ''",
    tests: layout,
  },
  {
    name: "redis: a script starts to write what the user may not finish",
    file: scripts,
    replace: "if redis.acl_check_cmd then",
    by: "if redis.acl_check_cmd == 0 then",
    tests: trouble,
  },
  {
    name: "redis: a prefix is a pattern",
    file: "bindings/_redis-list.ts",
    replace: String.raw`prefix.replace(/[*?[\]\\]/g, "\\$&")`,
    by: "prefix",
    tests: layout,
  },
  {
    name: "redis: keys are listed by UTF-16",
    file: "bindings/_redis-list.ts",
    replace: "return rank(x) - rank(y)",
    by: "return rank(x) && x - y",
    tests: layout,
  },
  {
    name: "redis: a write whose connection was lost is sent again",
    file: link,
    replace: `(intent === "read" && isLost(error))`,
    by: "isLost(error)",
    tests: faults,
  },
  {
    name: "redis: a connection that takes nothing any more is kept",
    file: link,
    replace: "if (unsent || isDemoted(error))",
    by: "if (isDemoted(error))",
    tests: faults,
  },
  {
    name: "redis: a server that became a replica is kept",
    file: link,
    replace: "if (unsent || isDemoted(error))",
    by: "if (unsent)",
    tests: trouble,
  },
  {
    name: "redis: any number of calls wait for a server that is silent",
    file: link,
    replace: "if (connecting + watch.unsettled >= most)",
    by: "if (connecting >= most)",
    tests: faults,
  },
  {
    name: "redis: any number of calls wait for a server that is away",
    file: link,
    replace: "if (connecting + watch.unsettled >= most)",
    by: "if (watch.unsettled >= most)",
    tests: faults,
  },
  {
    name: "redis: what was heard before a call had its connection speaks for the connection",
    file: link,
    replace: "          before = answers;\n",
    by: "",
    tests: answers,
  },
  {
    name: "redis: an error is no answer",
    file: link,
    replace: "if (isReply(error)) answers++;\n        else if (client)",
    by: "if (client)",
    tests: answers,
  },
  {
    name: "redis: a connection that is silent is kept",
    file: link,
    replace: "if (answers === before)",
    by: "if (answers < 0)",
    tests: faults,
  },
  {
    name: "redis: a connection is used however long it was not",
    file: "bindings/node/_redis-supply.ts",
    replace: "if (idle < doubtAfter)",
    by: "if (idle < Infinity || doubtAfter)",
    tests: faults,
  },
  {
    name: "redis: a database that cannot be selected is database 0",
    file: "bindings/node/_redis-supply.ts",
    replace: "if (failure && !client.isCluster)",
    by: "if (failure && client.isCluster)",
    tests: trouble,
  },
  {
    name: "redis: too few replicas are enough",
    file: "bindings/node/_redis-scripts.ts",
    replace: "if (acknowledged >= replicas)",
    by: "if (acknowledged >= 0)",
    tests: trouble,
  },
];
