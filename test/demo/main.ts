import { parseArgs } from "node:util";
import { newFolder } from "../harness/folder.ts";
import { exitOnSignals } from "../harness/process.ts";
import { type Outcome, steps, walk } from "./steps.ts";
import { type TargetName, targetNames, targets } from "./targets.ts";

exitOnSignals();
const broken = plantedFault();

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

/** The target that `--break` names. Ends the process where the command line makes no sense. */
function plantedFault(): TargetName | undefined {
  try {
    const options = { break: { type: "string" }, help: { type: "boolean" } } as const;
    const { values } = parseArgs({ options });
    if (values.help) usage(0);
    if (values.break === undefined || isTarget(values.break)) return values.break;
  } catch {
    // An option that does not exist.
  }
  return usage(2);
}

function usage(code: number): never {
  console.log(`usage: npm run demo [-- --break ${targetNames.join("|")}]`);
  process.exit(code);
}

function isTarget(name: string): name is TargetName {
  return (targetNames as readonly string[]).includes(name);
}
