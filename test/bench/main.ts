/**
 * Measures what pillion adds: `npm run bench [-- --json] [-- --only part-of-a-name]`. Each row is a ratio to a
 * reference that ran in turns with it; nothing here fails, it shows.
 */
import { parseArgs } from "node:util";
import { exitOnSignals } from "../harness/process.ts";
import { bundles } from "./bundles.ts";
import { cloudflareStores } from "./cloudflare-stores.ts";
import { core } from "./core.ts";
import { dynamodb } from "./dynamodb.ts";
import { envelope } from "./envelope.ts";
import { lambda } from "./lambda.ts";
import { type Goal, isElsewhere, met, type Row } from "./measure.ts";
import { nats } from "./nats.ts";
import { postgresql } from "./postgresql.ts";
import { queues } from "./queues.ts";
import { redis } from "./redis.ts";
import { redisStream } from "./redis-stream.ts";
import { sidecar } from "./sidecar.ts";
import { sqlite } from "./sqlite.ts";
import { sqliteQueue } from "./sqlite-queue.ts";
import { startup } from "./startup.ts";
import { workers } from "./workers.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, only: { type: "string" } } });
exitOnSignals();
const suites = {
  core,
  envelope,
  sqlite,
  sqliteQueue,
  redis,
  nats,
  redisStream,
  postgresql,
  dynamodb,
  workers,
  cloudflareStores,
  queues,
  bundles,
  lambda,
  startup,
  sidecar,
};

const rows: Row[] = [];
for (const [name, measure] of Object.entries(suites)) {
  if (values.only && !name.includes(values.only)) continue;
  if (!values.json) process.stderr.write(`measuring ${name}\n`);
  rows.push(...(await measure()));
}
if (values.json) {
  console.log(
    JSON.stringify(
      rows.map((row) => ({ ...row, met: met(row), elsewhere: isElsewhere(row) })),
      null,
      2,
    ),
  );
} else {
  for (const row of rows) console.log(text(row));
}

function text(row: Row): string {
  const { what, reference, unit, ours, theirs, ratio, difference, goal } = row;
  const sign = difference < 0 ? "" : "+";
  return `${met(row) ? "met  " : "SHORT"}  ${what}
       ${ours.toFixed(1)} ${unit} against ${theirs.toFixed(1)}: ×${ratio.toFixed(2)}, ${sign}${difference.toFixed(1)}; goal ${goalText(goal)}
       reference: ${reference}${elsewhere(row)}`;
}

function elsewhere(row: Row): string {
  if (!isElsewhere(row)) return "";
  return `\n       the reference made ${row.expected} ${row.unit} where the goal comes from: this is another machine`;
}

function goalText(goal: Goal): string {
  if ("plus" in goal) return `+ ≤ ${goal.plus}`;
  if ("atMost" in goal) return `≤ ${goal.atMost}`;
  return "atLeast" in goal ? `× ≥ ${goal.atLeast}` : `× ≤ ${goal.ratio}`;
}
