import type { Mutant } from "./mutant.ts";

const rules = ["test/core/cel.test.ts"];
const cel = "src/cel.ts";
const boxes = ["test/core/inbox.test.ts", "test/core/outbox.test.ts"];
const memory = "src/blocks/pubsub/memory.ts";
const outbox = "src/blocks/outbox/outbox.ts";
const relay = "src/blocks/outbox/relay.ts";

/** Of what goes beyond a delivery: rules, inbox, outbox and lists. */
export const above: readonly Mutant[] = [
  {
    name: "rules: a result that is no boolean counts as one",
    file: cel,
    replace: 'if (typeof result === "boolean") return result;',
    by: "if (result !== undefined) return !!result;",
    tests: rules,
  },
  {
    name: "rules: an error is no match",
    file: cel,
    replace: "throw new Error(`the rule ${rule}${placeOf(rule, range)}: ${code.replaceAll",
    by: "return false && new Error(`the rule ${rule}${placeOf(rule, range)}: ${code.replaceAll",
    tests: rules,
  },
  {
    name: "rules: what the checker finds is left for the first event",
    file: cel,
    replace: "if (error) throw invalid(rule, error);",
    by: "",
    tests: rules,
  },
  {
    name: "rules: a rule is compiled for every event",
    file: cel,
    replace: "result = evaluate({",
    by: "result = compile(rule)({",
    tests: rules,
  },
  {
    name: "inbox: the mark is written whether or not there is one",
    file: memory,
    replace: 'when: "absent",',
    by: "when: undefined,",
    tests: boxes,
  },
  {
    name: "inbox: the mark is no part of the handler's transaction",
    file: memory,
    replace: "await instance.transaction?.([...operations, mark], call);",
    by: "await instance.transaction?.(operations, call);\n      await instance.transaction?.([mark], call);",
    tests: boxes,
  },
  {
    name: "inbox: an event is remembered once its handler has ended",
    file: memory,
    replace: "await instance.transaction?.([...operations, mark], call);\n      phase",
    by: "await instance.transaction?.(operations[0] ? operations : [mark], call);\n      if (!operations[0]) phase",
    tests: ["test/node/sqlite-queue-kill.test.ts"],
  },
  {
    name: "inbox: every lost race is a repetition",
    file: memory,
    replace: '"etag-mismatch") && (await isKnown(call))) phase',
    by: '"etag-mismatch")) phase',
    tests: boxes,
  },
  {
    name: "inbox: a message that is to come again is remembered",
    file: "src/blocks/pubsub/inbox.ts",
    replace: "if (!memory.isLost() && isHandled(result)) await",
    by: "if (!memory.isLost()) await",
    tests: boxes,
  },
  {
    name: "outbox: events are no part of the transaction",
    file: outbox,
    replace: "instance.transaction?.([...others, toOperation(free, row)], own),",
    by: "instance.transaction?.(others, own).then(() => instance.transaction?.([toOperation(free, row)], own)),",
    tests: ["test/node/crashes.test.ts"],
  },
  {
    name: "outbox: a row is deleted before its events are published",
    file: relay,
    replace: "for (const message of row.messages) {",
    by: "await opened.instance.delete(key, {}, call);\n    for (const message of row.messages) {",
    tests: boxes,
  },
  {
    name: "outbox: two that look at the same time both publish",
    file: relay,
    replace: "await instance.set(key, toValue(row), { when: { etag } }, call);",
    by: "await instance.set(key, toValue(row), {}, call);",
    tests: boxes,
  },
  {
    name: "outbox: an event past its time to live is published",
    file: "src/blocks/outbox/rows.ts",
    replace: "if (ttl !== undefined && ttl <= elapsed) return undefined;",
    by: "",
    tests: boxes,
  },
  {
    name: "outbox: a place that is taken is the app's own conflict",
    file: "src/blocks/outbox/place.ts",
    replace: "if (!isTaken && doubted) throw error;",
    by: "throw error;",
    tests: boxes,
  },
  {
    name: "outbox: what a broker never takes counts as a broker that is away",
    file: relay,
    replace: 'const away = error.kind === "unavailable" ? error.pubsub : undefined;',
    by: "const away = error.pubsub;",
    tests: boxes,
  },
  {
    name: "outbox: what no broker took is tried again each time",
    file: relay,
    replace: "const tries = Math.min((row.tries ?? 0) + 1, MOST_TRIES);",
    by: "const tries = 1;",
    tests: boxes,
  },
  {
    name: "outbox: a damaged row ends the look at the others",
    file: "src/blocks/outbox/left.ts",
    replace: "return damaged(error);",
    by: "throw error;",
    tests: boxes,
  },
  {
    name: "bulk: a message without a status is acknowledged",
    file: "src/blocks/pubsub/bulk.ts",
    replace: '(status as Status) : "RETRY");',
    by: '(status as Status) : "SUCCESS");',
    tests: ["test/core/bulk.test.ts"],
  },
  {
    name: "bulk: invocations share a list",
    file: "src/blocks/pubsub/bulk.ts",
    replace: "const { source } = delivery;",
    by: "const source = ((lists as { one?: DeliverySource }).one ??= delivery.source);",
    tests: ["test/core/bulk.test.ts"],
  },
  {
    name: "bulk: what a platform brings waits for more",
    file: "src/blocks/pubsub/bulk.ts",
    replace: "perhapsLast ? Math.min(QUIET_MS, maxAwaitDurationMs) : maxAwaitDurationMs",
    by: "maxAwaitDurationMs",
    tests: ["test/core/bulk.test.ts"],
  },
  {
    name: "outbox: a store's own events are no part of the transaction",
    file: "src/blocks/outbox/component.ts",
    replace: "store.transaction?.([...operations, toOperation(free, row)], call),",
    by: "store.transaction?.(operations, call).then(() => store.transaction?.([toOperation(free, row)], call)),",
    tests: ["test/resources/outbox.test.ts", "test/node/crashes.test.ts"],
  },
  {
    name: "outbox: a projection is stored",
    file: "src/http/outbox.ts",
    replace: "ask(key, { value: encodeValue(value, key) });\n    return false;",
    by: "ask(key, { value: encodeValue(value, key) });\n    return true;",
    tests: ["test/resources/outbox.test.ts"],
  },
  {
    name: "outbox: an inbox's mark is published",
    file: "src/blocks/outbox/events.ts",
    replace: '"upsert" || !isOwn) return [];',
    by: '"upsert" || isOwn === undefined) return [];',
    tests: ["test/resources/outbox.test.ts"],
  },
];
