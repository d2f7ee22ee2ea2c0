/**
 * Measures what pillion adds: `npm run bench [-- --json] [-- --only part-of-a-name]`. Each row is a ratio to a
 * reference that ran in turns with it; nothing here fails, it shows.
 */
import { parseArgs } from "node:util";
import { bundles } from "./bundles.ts";
import { core } from "./core.ts";
import { dynamodb } from "./dynamodb.ts";
import { lambda } from "./lambda.ts";
import { type Goal, met, type Row } from "./measure.ts";
import { sqlite } from "./sqlite.ts";
import { startup } from "./startup.ts";
import { workers } from "./workers.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, only: { type: "string" } } });
const suites = { core, sqlite, dynamodb, workers, bundles, lambda, startup };

const rows: Row[] = [];
for (const [name, measure] of Object.entries(suites)) {
  if (values.only && !name.includes(values.only)) continue;
  if (!values.json) process.stderr.write(`measuring ${name}\n`);
  rows.push(...(await measure()));
}
if (values.json)
  console.log(
    JSON.stringify(
      rows.map((row) => ({ ...row, ratio: row.ours / row.theirs, met: met(row) })),
      null,
      2,
    ),
  );
else print(rows);

function print(rows: readonly Row[]): void {
  for (const row of rows) {
    const { what, reference, unit, ours, theirs } = row;
    const difference = ours - theirs;
    const figures = `${ours.toFixed(1)} ${unit} against ${theirs.toFixed(1)}: ×${(ours / theirs).toFixed(2)}, ${difference >= 0 ? "+" : ""}${difference.toFixed(1)}`;
    console.log(
      `${met(row) ? "met  " : "SHORT"}  ${what}\n       ${figures}; goal ${goalText(row.goal, unit)}; reference: ${reference}`,
    );
  }
}

function goalText(goal: Goal, unit: string): string {
  if ("plus" in goal) return `+ ≤ ${goal.plus} ${unit}`;
  return "atLeast" in goal ? `× ≥ ${goal.atLeast}` : `× ≤ ${goal.ratio}`;
}
