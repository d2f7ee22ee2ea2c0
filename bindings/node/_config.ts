import { ComponentError } from "../../src/errors.ts";

/** A setting that cannot work. */
export function config(component: string, problem: string): ComponentError {
  return new ComponentError("config", `component ${component}: ${problem}`);
}

/** A part of an address as it is meant. Throws "config" without showing it, since it may hold a password. */
export function decoded(part: string, setting: string, component: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw config(
      component,
      `${setting} has a % that does not begin a character's code: write %25 for it, in a password too`,
    );
  }
}

/** Throws the first text whose condition holds. */
export function complain(
  component: string,
  problems: readonly (readonly [boolean, string])[],
): void {
  const found = problems.find(([holds]) => holds);
  if (found) throw config(component, found[1]);
}
