import type { Compile } from "./routes.ts";

/** Loads the evaluator only where there is a rule. */
export const compile: Compile = async (rule) => (await import("../../src/cel.ts")).cel(rule);
