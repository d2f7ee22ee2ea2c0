import { parseArgs } from "node:util";
import { newFolder } from "../harness/folder.ts";
import { type Outcome, steps, walk } from "./steps.ts";
import { type TargetName, targetNames, targets } from "./targets.ts";

const { values } = parseArgs({ options: { break: { type: "string" }, help: { type: "boolean" } } });
const broken = values.break;
if (values.help || (broken !== undefined && !isTarget(broken))) {
  console.log(`usage: npm run demo [-- --break ${targetNames.join("|")}]`);
  process.exit(values.help ? 0 : 2);
}

console.log(
  "One portable order service, examples/orders/app.ts, on three targets; nothing configured.",
);
const folder = newFolder("demo");
const results = new Map<TargetName, Outcome[]>();
for (const name of targetNames) {
  process.stdout.write(`\n${name}: `);
  try {
    results.set(name, await visit(name));
  } catch (error) {
    results.set(name, [{ title: "start", ms: 0, problem: String(error) }]);
  }
}

console.log(`\n\n${table(results)}`);
const problems = [...results].flatMap(([name, outcomes]) =>
  outcomes.flatMap(({ title, problem }) => (problem ? [`${name}, ${title}: ${problem}`] : [])),
);
for (const problem of problems) console.error(problem);
console.log(
  problems.length === 0
    ? "\nEvery answer was the expected one, also after kill -9 of each target."
    : `\n${problems.length} answers were not the expected ones.`,
);
process.exitCode = problems.length === 0 ? 0 : 1;

async function visit(name: TargetName): Promise<Outcome[]> {
  const started = performance.now();
  const target = await targets[name]({ folder, broken: broken === name });
  const ms = Math.round(performance.now() - started);
  process.stdout.write(`started in ${ms} ms on ${target.url()} `);
  try {
    const dot = ({ problem }: Outcome) => process.stdout.write(problem ? "x" : ".");
    return await walk(target.url, target.restart, dot);
  } finally {
    await target.stop();
  }
}

function table(results: Map<TargetName, Outcome[]>): string {
  const columns = [...results.values()];
  const titles = steps.flatMap((step) => ("title" in step ? [step.title] : []));
  const width = Math.max(...titles.map((title) => title.length));
  const cell = (outcome: Outcome | undefined) => {
    if (!outcome) return "not reached".padStart(18);
    const result = outcome.problem ? "FAILED" : "ok";
    return `${result} ${outcome.ms.toFixed(1).padStart(7)} ms`.padStart(18);
  };
  const head = "".padEnd(width) + [...results.keys()].map((name) => name.padStart(18)).join("");
  const rows = titles.map((title) => {
    const cells = columns.map((column) => cell(column.find((outcome) => outcome.title === title)));
    return title.padEnd(width) + cells.join("");
  });
  return [head, ...rows].join("\n");
}

function isTarget(name: string): name is TargetName {
  return (targetNames as readonly string[]).includes(name);
}
