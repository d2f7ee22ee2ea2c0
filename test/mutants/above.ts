import type { Mutant } from "./mutant.ts";

const rules = ["test/core/cel.test.ts"];
const cel = "src/cel.ts";

/** Of what goes beyond a delivery: rules. */
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
];
