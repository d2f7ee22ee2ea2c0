import type { Mutant } from "./mutant.ts";

const tests = ["test/core/pubsub.test.ts"];
const fate = ["test/core/dead-letters.test.ts"];
const deliver = "src/blocks/pubsub/deliver.ts";
const running = "src/blocks/pubsub/running.ts";

export const pubsub: readonly Mutant[] = [
  {
    name: "pubsub: a handler that ended ends another's watch",
    file: "src/bag.ts",
    replace: "    item.at = -1;\n",
    by: "",
    tests: ["test/core/bag.test.ts"],
  },
  {
    name: "pubsub: a message is acknowledged whose handler threw",
    file: deliver,
    replace: "const endless = maxRetries === undefined && !deadLetterTopic;",
    by: "const endless = false;",
    tests,
  },
  {
    name: "pubsub: a message is acknowledged before its handler has ended",
    file: deliver,
    replace: "return await own.settled(handler(event, runtime.blocksFor(own), delivery));",
    by: "return void own.settled(handler(event, runtime.blocksFor(own), delivery)).catch(() => {});",
    tests,
  },
  {
    name: "pubsub: a message is acknowledged that the dead-letter topic did not take",
    file: deliver,
    replace: 'return [{ is: "retry", delay }, "retried", new Error(why, { cause })];',
    by: 'return [done, "retried", new Error(why, { cause })];',
    tests,
  },
  {
    name: "pubsub: one delivery more than maxRetries says",
    file: deliver,
    replace: "attempt <= (maxRetries ?? 0)",
    by: "attempt <= (maxRetries ?? 0) + 1",
    tests,
  },
  {
    name: "pubsub: what ends the process of its handler is handled without end",
    file: deliver,
    replace: "if (deadLetterTopic && attempt > maxRetries + 1) {",
    by: "if (attempt === -1) {",
    tests: fate,
  },
  {
    name: "pubsub: a handler begins when its batch is over",
    file: deliver,
    replace: "if (limit !== undefined && limit <= 0)",
    by: "if (limit === Number.NEGATIVE_INFINITY)",
    tests: fate,
  },
  {
    name: "pubsub: a message is buried whose handler had no time",
    file: deliver,
    replace: "throw scant && own.ended ?",
    by: "throw own.ended && !own ?",
    tests: fate,
  },
  {
    name: "pubsub: no retry is left for a dead letter that was not taken",
    file: "src/blocks/pubsub/retries.ts",
    replace: "maxRetries + (deadLetterTopic ? 1 : 0) <= most",
    by: "maxRetries <= most",
    tests: fate,
  },
  {
    name: "pubsub: an event past its end is handed over",
    file: deliver,
    replace: "Date.parse(expiration) <= opened.clock.now()",
    by: "Date.parse(expiration) <= 0",
    tests,
  },
  {
    name: "pubsub: a handler has all the time there is",
    file: running,
    replace: "if (until > now)",
    by: "if (until > 0)",
    tests,
  },
  {
    name: "pubsub: a handler has the time of one that began before it",
    file: running,
    replace: "if (until < (sleep?.until ?? Number.POSITIVE_INFINITY)) lookAt(until);",
    by: "if (until < Number.POSITIVE_INFINITY && !sleep) lookAt(until);",
    tests: ["test/core/running.test.ts"],
  },
  {
    name: "pubsub: nobody watches over the handlers that are left",
    file: running,
    replace: "if (next < Number.POSITIVE_INFINITY) lookAt(next);",
    by: "",
    tests: ["test/core/running.test.ts"],
  },
  {
    name: "pubsub: a handler goes on that the end of its invocation ended",
    file: running,
    replace: "calls.each((call) => call.end(signal.reason))",
    by: "undefined",
    tests: ["test/core/running.test.ts"],
  },
  {
    name: "pubsub: an order goes on past a message that is to come again",
    file: "src/blocks/pubsub/receive.ts",
    replace: 'if (outcome.is === "retry") held = outcome;',
    by: "",
    tests,
  },
  {
    name: "pubsub: data is delivered that does not fit the schema",
    file: deliver,
    replace: 'if (checked && "problem" in checked) {',
    by: 'if (checked && "problems" in checked) {',
    tests,
  },
  {
    name: "pubsub: a protected topic is open",
    file: "src/blocks/pubsub/scopes.ts",
    replace: "(scoped ? scoped.includes(topic) : !isProtected)",
    by: "(scoped ? scoped.includes(topic) : true)",
    tests,
  },
  {
    name: "pubsub: a number of JSON's text is parsed on its way into the event",
    file: "src/blocks/pubsub/envelope.ts",
    replace: '"json" in payload ? payload.json :',
    by: '"json" in payload ? JSON.stringify(JSON.parse(payload.json)) :',
    tests: ["test/core/envelope.test.ts"],
  },
  {
    name: "pubsub: stopping does not wait for what is in hand",
    file: "bindings/_memory-bus.ts",
    replace: "stopped.abort();\n    await Promise.all(running);",
    by: "stopped.abort();",
    tests,
  },
  {
    name: "pubsub: the end of an invocation is a try of the message",
    file: deliver,
    replace: "if (call.signal?.aborted || lost?.aborted) return true;",
    by: "",
    tests,
  },
];
