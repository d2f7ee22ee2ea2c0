import type { Mutant } from "./mutant.ts";

const app = ["test/sidecar/app.test.ts"];
const delivery = ["test/sidecar/delivery.test.ts"];
const client = ["test/sidecar/client.test.ts"];
const limits = ["test/sidecar/limits.test.ts"];
const table = ["test/http/requests.test.ts"];
const folder = "targets/cli/sidecar/app";

export const ofApps: readonly Mutant[] = [
  {
    name: "sidecar and app: a message counts as handled that the app answered 500 to",
    file: "targets/_app/answers.ts",
    replace: "if (!isSuccess(status)) throw new Error(`the app answered ${status}`);\n  // A body",
    by: "// A body",
    tests: delivery,
  },
  {
    name: "sidecar and app: an entry of a bulk counts as handled that the app says nothing of",
    file: "targets/_app/answers.ts",
    replace: '("RETRY" satisfies Status)',
    by: '("SUCCESS" satisfies Status)',
    tests: delivery,
  },
  {
    name: "sidecar and app: messages are handled before the app has answered",
    file: "targets/_app/deliver.ts",
    replace: "const answer = await client.call(request, call.signal as AbortSignal);",
    by: "void client.call(request, call.signal as AbortSignal).catch(() => undefined);\n    const answer = { status: 200, body: Buffer.of() };",
    tests: delivery,
  },
  {
    name: "sidecar and app: it is healthy before its subscriptions are live",
    file: "targets/cli/sidecar/run.ts",
    replace: "await channel?.start();",
    by: "void channel?.start();",
    tests: app,
  },
  {
    name: "sidecar and app: the end does not wait for what is in hand",
    file: "targets/cli/sidecar/ends.ts",
    replace: "stop?.(shutdownMs * SHARE * SHARE) ?? Promise.resolve()",
    by: "Promise.resolve()",
    tests: app,
  },
  {
    name: "sidecar and app: an unhealthy app gets messages on and on",
    file: `${folder}/channel.ts`,
    replace: "healthy ? begin : () => deliveries.stop(DRAIN_MS)",
    by: "healthy ? begin : async () => undefined",
    tests: app,
  },
  {
    name: "sidecar and app: the end does not wait for what an unhealthy app has in hand",
    file: `${folder}/deliveries.ts`,
    replace: "allSettled([ending, ...ended",
    by: "allSettled([...ended",
    tests: app,
  },
  {
    name: "sidecar and app: a limit of calls at a time limits nothing",
    file: `${folder}/gate.ts`,
    replace: "limit ?? Number.POSITIVE_INFINITY",
    by: "Number.POSITIVE_INFINITY",
    tests: app,
  },
  {
    name: "sidecar and app: messages in hand wait for each other at the app's limit",
    file: `${folder}/deliveries.ts`,
    replace: "Math.min(concurrency, limit ?? concurrency)",
    by: "Math.max(concurrency, limit ?? concurrency)",
    tests: limits,
  },
  {
    name: "sidecar and app: waiting for its turn takes all of a message's time",
    file: `${folder}/deliveries.ts`,
    replace: "processingTimeout * WAIT_SHARE",
    by: "processingTimeout / WAIT_SHARE",
    tests: limits,
  },
  {
    name: "sidecar and app: what the app was handling is sent again",
    file: `${folder}/client.ts`,
    replace: "performance.now() - began < UNREAD_MS",
    by: "UNREAD_MS > 0 && began > 0",
    tests: client,
  },
  {
    name: "sidecar and app: an event is opened that is only to be handed on",
    file: "targets/_app/topic.ts",
    replace: "verbatim: true",
    by: "verbatim: false",
    tests: delivery,
  },
  {
    name: "sidecar and app: an answer that is cut off counts as one",
    file: `${folder}/client.ts`,
    replace: "reject(tooLong());",
    by: "resolve({ status, body: Buffer.concat(chunks) });",
    tests: delivery,
  },
  {
    name: "sidecar and app: what the app began to answer is sent again",
    file: `${folder}/client.ts`,
    replace: " && sent.socket?.bytesRead === known",
    by: " && known >= 0",
    tests: client,
  },
  {
    name: "sidecar and app: what the sidecar itself cut off is sent again",
    file: `${folder}/client.ts`,
    replace: "isFresh() && !closed &&",
    by: "isFresh() &&",
    tests: client,
  },
  {
    name: "sidecar and app: a broker's metadata names the host",
    file: "targets/_app/headers.ts",
    replace: '  "host",\n',
    by: "",
    tests: delivery,
  },
  {
    name: "HTTP API: an entry of a bulk may lack its name",
    file: "src/http/publish-bulk.ts",
    replace: "if (entry.entryId && !known.has(entry.entryId))",
    by: "if (!known.has(entry.entryId))",
    tests: table,
  },
];
