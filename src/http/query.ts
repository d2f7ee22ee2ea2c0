import { refused } from "./answers.ts";
import { decoded } from "./path.ts";

/** The first value of every name. */
export type Query = ReadonlyMap<string, string>;

const none: Query = new Map();
const METADATA = "metadata.";

/** Refuses a bad escape: Dapr drops the pair, and with it, say, a time to live. */
export function parseQuery(raw: string): Query {
  if (raw === "") return none;
  const query = new Map<string, string>();
  for (const pair of raw.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    const value = decoded(at < 0 ? "" : pair.slice(at + 1));
    if (name === undefined || value === undefined) {
      const text = "the query is not percent-encoded UTF-8";
      throw refused(400, "ERR_MALFORMED_REQUEST", text);
    }
    if (!query.has(name)) query.set(name, value);
  }
  return query;
}

/** The metadata of a request, without the prefix of its parameters. */
export function metadataOf(query: Query): [string, string][] {
  return [...query]
    .filter(([name]) => name.startsWith(METADATA))
    .map(([name, value]) => [name.slice(METADATA.length), value]);
}
