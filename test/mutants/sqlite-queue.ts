import type { Mutant } from "./mutant.ts";

const consumer = "bindings/node/_sqlite-queue-consumer.ts";
const store = "bindings/node/_sqlite-queue-store.ts";
const table = "bindings/node/_sqlite-queue-table.ts";
const tables = ["test/node/sqlite-queue.test.ts"];
const trouble = ["test/node/sqlite-queue-trouble.test.ts"];
const conformance = ["test/node/sqlite-pubsub-conformance.test.ts"];

export const sqliteQueue: readonly Mutant[] = [
  {
    name: "SQLite queue: a dead letter that nobody subscribes to is kept for nobody",
    file: "bindings/node/_sqlite-queue.ts",
    replace: "if (deadLetterTopic !== undefined) await",
    by: "if (deadLetterTopic === topic) await",
    tests: trouble,
  },
  {
    name: "SQLite queue: dead letters are kept twice",
    file: store,
    replace: "if (sql().groups.all(topic).length === 0) sql()",
    by: "sql()",
    tests: trouble,
  },
  {
    name: "SQLite queue: a message is acknowledged before its handler has ended",
    file: consumer,
    replace: "const outcome = await request.deliver(message);",
    by: 'const outcome = { is: "done" } as const;\n      void request.deliver(message);',
    tests: conformance,
  },
  {
    name: "SQLite queue: an acknowledgement goes by the message and not by its lease",
    file: table,
    replace: "done: statement(`DELETE FROM pubsub_deliveries WHERE ${held}`),",
    by: 'done: statement("DELETE FROM pubsub_deliveries WHERE message = ? AND consumers = ? AND ? IS NOT NULL"),',
    tests: tables,
  },
  {
    name: "SQLite queue: what could not be acknowledged is forgotten",
    file: consumer,
    replace: "ended = [...told, ...ended];",
    by: "ended = [...ended];",
    tests: trouble,
  },
  {
    name: "SQLite queue: a lease hides nothing",
    file: store,
    replace: "const until = now + settings.processingTimeout + SPARE_MS;",
    by: "const until = now;",
    tests: tables,
  },
  {
    name: "SQLite queue: a message passes an earlier one with its key",
    file: table,
    replace: "WHERE consumers = ?2 AND ordering_key = ?5))`",
    by: "WHERE consumers = ?2 AND ordering_key = ?5 AND lease = 'nobody'))`",
    tests: tables,
  },
  {
    name: "SQLite queue: a message past its end is claimed",
    file: store,
    replace: "if (expires !== null && expires <= now) {",
    by: "if (expires !== null && expires <= 0) {",
    tests: tables,
  },
  {
    name: "SQLite queue: what was claimed ahead waits for a slow handler",
    file: consumer,
    replace: "now - claimed >= HOLD_MS",
    by: "now - claimed >= HOLD_MS * 1000",
    tests: trouble,
  },
  {
    name: "SQLite queue: another process's publish wakes nobody",
    file: "bindings/node/_sqlite-queue-watch.ts",
    replace: "const LOOKS_MS = [2, 8, 40, 200, 800];",
    by: "const LOOKS_MS: readonly number[] = [];",
    tests: ["test/node/sqlite-queue-kill.test.ts"],
  },
];
