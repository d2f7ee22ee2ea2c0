import type { Mutant } from "./mutant.ts";

const layout = ["test/node/redis-stream-layout.test.ts"];
const outage = ["test/node/redis-stream-outage.test.ts"];
const reading = ["test/node/redis-stream-reading.test.ts"];
const line = "bindings/node/_redis-stream-line.ts";
const retries = "bindings/node/_redis-stream-retries.ts";
const scripts = "bindings/node/_redis-stream-scripts.ts";

export const redisStream: readonly Mutant[] = [
  {
    name: "Redis Streams: a slow handler's messages are read ahead as a fast one's are",
    file: line,
    replace: "const extra = ahead.count();",
    by: "const extra = 100;",
    tests: reading,
  },
  {
    name: "redis stream: a message is acknowledged before it is handled",
    file: line,
    replace: "const outcome = await deliver(",
    by: "acks.add(id);\n    const outcome = await deliver(",
    tests: layout,
  },
  {
    name: "redis stream: a message that failed is acknowledged, as daprd does",
    file: line,
    replace: 'if (outcome.is === "done") acks.add(id);',
    by: "if (outcome.is) acks.add(id);",
    tests: layout,
  },
  {
    name: "redis stream: a consumer that leaves takes its messages with it",
    file: scripts,
    replace: "if #rows == 0 then",
    by: "if rows then",
    tests: layout,
  },
  {
    name: "redis stream: a message is claimed whoever has it",
    file: scripts,
    replace: "if row and (row[2] == ARGV[2] or row[3] >= tonumber(ARGV[3])) then",
    by: "if row then",
    tests: layout,
  },
  {
    name: "redis stream: nobody keeps what waits for its delay",
    file: retries,
    replace: "setInterval(keepAll, lease / 3)",
    by: "setInterval(look, lease / 3)",
    tests: layout,
  },
  {
    name: "redis stream: a process that stops cuts the delay of what waits",
    file: retries,
    replace: "[id, Math.max(until - now, 0)] as const",
    by: "[id, until - until] as const",
    tests: layout,
  },
  {
    name: "redis stream: a process that stops cuts the delay of what it has in hand",
    file: retries,
    replace: "if (stopped) leave([[id, delay]]);",
    by: "if (stopped) return;",
    tests: layout,
  },
  {
    name: "redis stream: retries come before all that is new",
    file: line,
    replace: "again + taking.size >= concurrency ? 1 : 0",
    by: "again + taking.size > concurrency ? 1 : 0",
    tests: layout,
  },
  {
    name: "redis stream: what was delivered into a broken connection waits for its lease",
    file: line,
    replace: "      await retries.recover();\n",
    by: "",
    tests: outage,
  },
  {
    name: "redis stream: a group that is gone is not made again",
    file: line,
    replace: "      await group.ensure();\n",
    by: "",
    tests: outage,
  },
  {
    name: "redis stream: a topic that has room again waits for the next message of another",
    file: "bindings/node/_redis-stream-reader.ts",
    replace: "if (reading && !reading.lines.includes(line)) void interrupt(reading);",
    by: "",
    tests: reading,
  },
  {
    name: "redis stream: a topic that cannot be read holds up all",
    file: "bindings/node/_redis-stream-reader.ts",
    replace: "if (failed[0] && failed.length === all.length)",
    by: "if (failed[0] && all.length > 0)",
    tests: outage,
  },
];
