import { malformed } from "../errors.ts";

const SEPARATOR = "||";
/** What UTF-8 cannot hold, and what ends text in SQL functions: stores would take two such keys for one. */
const UNPORTABLE = /[\0\p{Surrogate}]/u;

/** What precedes a key in the store under Dapr's `keyPrefix` strategies. */
export function prefixOf(
  strategy: string,
  { id, name, namespace }: { id: string; name: string; namespace: unknown },
): string {
  // Dapr lower-cases the value of the setting before it looks at it.
  const prefix = strategy.toLowerCase();
  switch (prefix) {
    case "none":
      return "";
    case "":
    case "appid":
      return id + SEPARATOR;
    case "namespace":
      if (typeof namespace !== "string" || namespace === "") return id + SEPARATOR;
      checkKey(namespace, "NAMESPACE");
      return `${namespace}.${id}${SEPARATOR}`;
    case "name":
      checkKey(name, "component name");
      return name + SEPARATOR;
    default:
      checkKey(prefix, "keyPrefix");
      return prefix + SEPARATOR;
  }
}

/** Throws `ERR_MALFORMED_REQUEST` for a key that would be another key once its prefix is before it. */
export function checkKey(key: string, what = "key"): void {
  if (typeof key !== "string" || key === "") {
    throw malformed(`input ${what} must be a string that is not empty`);
  }
  if (UNPORTABLE.test(key)) throw malformed(`input ${what} holds a NUL or half a surrogate pair`);
  if (key.includes(SEPARATOR)) throw malformed(`input ${what} '${key}' can't contain '||'`);
}
