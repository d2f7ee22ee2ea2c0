import { ComponentError } from "../../src/errors.ts";

/** A setting that cannot work. */
export function config(component: string, problem: string): ComponentError {
  return new ComponentError("config", `component ${component}: ${problem}`);
}

/** Throws the first text whose condition holds. */
export function complain(
  component: string,
  problems: readonly (readonly [boolean, string])[],
): void {
  const found = problems.find(([holds]) => holds);
  if (found) throw config(component, found[1]);
}
