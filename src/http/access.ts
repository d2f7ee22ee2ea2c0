import { configurationError } from "../errors.ts";
import type { AccessRule } from "./contract.ts";

const aliases: Readonly<Record<string, string>> = {
  v1: "v1.0",
  v1alpha1: "v1.0-alpha1",
  v1alpha2: "v1.0-alpha2",
  v1beta1: "v1.0-beta1",
};

/**
 * Whether Dapr's lists let a path through: what is denied never, and with an allow-list only what is on it; health
 * always. Throws `ERR_CONFIGURATION` for a rule that speaks of none of `paths`: a deny-list that denies nothing.
 */
export function accessBy(
  allowed: readonly AccessRule[] = [],
  denied: readonly AccessRule[] = [],
  paths: readonly string[],
): (path: string) => boolean {
  const allows = prefixesOf(allowed, paths);
  const denies = prefixesOf(denied, paths);
  const isOn = (prefixes: readonly string[], path: string) =>
    prefixes.some((prefix) => path.startsWith(prefix));
  return (path) =>
    path.startsWith("v1.0/healthz") ||
    (!isOn(denies, path) && (allows.length === 0 || isOn(allows, path)));
}

/** A rule is the beginning of paths: `state` of `v1.0` stands for `v1.0/state/…`. */
function prefixesOf(rules: readonly AccessRule[], paths: readonly string[]): string[] {
  return rules
    .filter(({ protocol = "http" }) => protocol === "http")
    .map(({ version, name }) => {
      const known = Object.hasOwn(aliases, version) ? aliases[version] : version;
      const prefix = `${known}/${name}`;
      if (name && paths.some((path) => path.startsWith(prefix))) return prefix;
      throw configurationError(
        `the API has no ${JSON.stringify(name)} of version ${JSON.stringify(version)} to allow or deny: see Dapr's list of names and versions`,
      );
    });
}
