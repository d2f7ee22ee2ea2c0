import { delivery } from "../../src/conformance/pubsub/delivery.ts";
import { failures } from "../../src/conformance/pubsub/failures.ts";
import { lasting } from "../../src/conformance/pubsub/lasting.ts";
import { etags } from "../../src/conformance/state/etags.ts";
import { expiry } from "../../src/conformance/state/expiry.ts";
import { listing } from "../../src/conformance/state/listing.ts";
import { requests } from "../../src/conformance/state/requests.ts";
import { transactions } from "../../src/conformance/state/transactions.ts";
import { values } from "../../src/conformance/state/values.ts";

/** What decides whether a case is asked of a component, in either suite. */
interface Case {
  readonly needs?: readonly string[];
  readonly lacks?: string;
  readonly run: unknown;
}

type Groups = Readonly<Record<string, Readonly<Record<string, Case>>>>;

/** The parts of each suite: the columns. */
const blocks: Readonly<Record<string, Groups>> = {
  state: {
    Values: values,
    Requests: requests,
    ETags: etags,
    Transactions: transactions,
    "Time to live": expiry,
    Listing: listing,
  },
  pubsub: { Delivery: delivery, Failures: failures, Lasting: lasting },
};

/** One test, as Vitest's JSON reporter tells of it. */
export interface Result {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
}

interface Row {
  readonly suite: string;
  readonly cells: readonly string[];
  readonly skips: readonly string[];
}

/** Which component of a block passed which part of its suite, in Markdown. Throws for a case that did not pass. */
export function matrix(block: "state" | "pubsub", results: readonly Result[]): string {
  const groups = blocks[block] as Groups;
  const cases = results.filter(
    (result) => isCase(groups, result) && suiteOf(result).includes(`${block}.`),
  );
  const suites = [...new Set(cases.map(suiteOf))];
  const rows = suites.map((suite) =>
    rowOf(
      groups,
      suite,
      cases.filter((test) => suiteOf(test) === suite),
    ),
  );
  rows.sort((a, b) => (a.suite < b.suite ? -1 : 1));
  const names = Object.keys(groups);
  const skips = rows.flatMap(({ suite, skips: left }) => left.map((text) => `- ${suite}: ${text}`));
  return [
    `| ${block === "state" ? "Store" : "Broker"} | ${names.join(" | ")} |`,
    `| --- | ${names.map(() => "---").join(" | ")} |`,
    ...rows.map(({ suite, cells }) => `| ${suite} | ${cells.join(" | ")} |`),
    ...(skips.length === 0 ? [] : ["", "Left out:", "", ...skips]),
    "",
  ].join("\n");
}

function rowOf(groups: Groups, suite: string, tests: readonly Result[]): Row {
  const failed = tests.find(({ status }) => !["passed", "skipped", "pending"].includes(status));
  if (failed) throw new Error(`${suite}: ${failed.title}: ${failed.status}`);
  const passed = new Set(tests.filter(({ status }) => status === "passed").map(caseOf));
  const skips = tests.filter(({ status }) => status !== "passed").map(({ title }) => title);
  return { suite, cells: Object.values(groups).map((cases) => cellOf(cases, passed)), skips };
}

/** How many cases passed; a part of which only the refusals were run is refused. */
function cellOf(cases: Readonly<Record<string, Case>>, passed: ReadonlySet<string>): string {
  const names = Object.keys(cases).filter((name) => passed.has(name));
  const asked = names.filter((name) => cases[name]?.lacks === undefined);
  const needed = Object.values(cases).some(({ needs }) => needs !== undefined);
  const refused = names.length > asked.length;
  if (needed && refused && asked.every((name) => cases[name]?.needs === undefined))
    return "refused";
  return `✓ ${asked.length}`;
}

function isCase(groups: Groups, result: Result): boolean {
  return Object.values(groups).some((cases) => Object.hasOwn(cases, caseOf(result)));
}

function caseOf({ title }: Result): string {
  return title.replace(/ \(skipped: .*\)$/, "");
}

function suiteOf({ ancestorTitles }: Result): string {
  return ancestorTitles.toReversed().join(", ");
}
