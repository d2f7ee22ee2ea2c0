import type { Document, Path } from "./document.ts";
import { toBoolean } from "./settings.ts";

/** A Component of Dapr's, read and checked, with nothing in it resolved. */
export interface Manifest {
  readonly document: Document;
  readonly name: string;
  readonly namespace: string | undefined;
  /** In lower case. */
  readonly type: string;
  readonly version: string;
  readonly ignoreErrors: boolean;
  /** As written; a Go duration. */
  readonly initTimeout: string | undefined;
  readonly metadata: readonly Entry[];
  /** Name of the secret store that `secretKeyRef` asks. */
  readonly secretStore: string | undefined;
  /** App ids that may use it; empty for all. */
  readonly scopes: readonly string[];
}

export interface Entry {
  readonly name: string;
  readonly path: Path;
  readonly from:
    | { readonly is: "value"; readonly value: string }
    | { readonly is: "secret"; readonly name: string; readonly key: string }
    | { readonly is: "variable"; readonly name: string };
}

const API_VERSION = "dapr.io/v1alpha1";

/** What each level of a Component may hold. */
const known = {
  "": ["apiVersion", "kind", "metadata", "spec", "auth", "scopes"],
  spec: ["type", "version", "ignoreErrors", "initTimeout", "metadata"],
  auth: ["secretStore"],
} as const;

/** The Component in a document; undefined for a resource of another kind. Throws `ERR_CONFIGURATION` for a malformed one. */
export function toManifest(document: Document, warn: (text: string) => void): Manifest | undefined {
  const { content } = document;
  if (!isRecord(content)) {
    if (content === null || content === undefined) return undefined;
    throw document.fault([], "a resource is a mapping, with apiVersion and kind");
  }
  if (content.kind !== "Component") return undefined;
  const apiVersion = text(document, ["apiVersion"]);
  if (apiVersion !== API_VERSION) {
    throw document.fault(["apiVersion"], `a Component is ${API_VERSION}, not ${apiVersion}`);
  }
  const name = needed(document, ["metadata", "name"]);
  if (!/^[^/%\\]+$/.test(name) || name === "." || name === "..") {
    throw document.fault(["metadata", "name"], `${JSON.stringify(name)} cannot be part of a path`);
  }
  warnOfUnknown(document, name, warn);
  return {
    document,
    name,
    namespace: text(document, ["metadata", "namespace"]),
    type: needed(document, ["spec", "type"]).toLowerCase(),
    version: text(document, ["spec", "version"]) || "v1",
    ignoreErrors: flag(document, ["spec", "ignoreErrors"]),
    initTimeout: text(document, ["spec", "initTimeout"]),
    metadata: entriesOf(document),
    secretStore: text(document, ["auth", "secretStore"]),
    scopes: list(document, ["scopes"]).map((_, at) => needed(document, ["scopes", at])),
  };
}

function entriesOf(document: Document): Entry[] {
  const entries = list(document, ["spec", "metadata"]).map((_, at) => entryOf(document, at));
  const names = new Set<string>();
  for (const { name, path } of entries) {
    // Dapr matches names without regard to case, so that two such would be one.
    if (names.has(name.toLowerCase())) throw document.fault(path, `${name} is there twice`);
    names.add(name.toLowerCase());
  }
  return entries;
}

function entryOf(document: Document, at: number): Entry {
  const path = ["spec", "metadata", at];
  const item = contentAt(document, path);
  if (!isRecord(item)) throw document.fault(path, "a setting is a mapping with name and value");
  const name = needed(document, [...path, "name"]);
  const sources = ["value", "secretKeyRef", "envRef"].filter((source) => isGiven(item[source]));
  if (sources.length > 1) throw document.fault(path, `${name} has both ${sources.join(" and ")}`);
  return { name, path, from: sourceOf(document, path, item) };
}

function sourceOf(
  document: Document,
  path: Path,
  item: Readonly<Record<string, unknown>>,
): Entry["from"] {
  if (isGiven(item.secretKeyRef)) {
    const name = needed(document, [...path, "secretKeyRef", "name"]);
    const key = text(document, [...path, "secretKeyRef", "key"]) || name;
    return { is: "secret", name, key };
  }
  if (isGiven(item.envRef)) return { is: "variable", name: needed(document, [...path, "envRef"]) };
  const written = document.scalar([...path, "value"]);
  // Dapr hands a component whatever is not a scalar as JSON text.
  const value = written ?? (item.value === undefined ? "" : JSON.stringify(item.value));
  return { is: "value", value };
}

/** An empty reference is none: manifests that tools write hold them. */
function isGiven(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return isRecord(value) ? Object.keys(value).length > 0 : value !== "";
}

function warnOfUnknown(document: Document, name: string, warn: (text: string) => void): void {
  for (const [level, fields] of Object.entries(known)) {
    const path = level === "" ? [] : [level];
    const content = contentAt(document, path);
    for (const field of Object.keys(isRecord(content) ? content : {})) {
      if ((fields as readonly string[]).includes(field)) continue;
      const place = document.at([...path, field]);
      warn(`${place}: component ${name} has no field ${[...path, field].join(".")}: left out`);
    }
  }
}

function text(document: Document, path: Path): string | undefined {
  const content = contentAt(document, path);
  if (content === undefined || content === null) return undefined;
  const written = document.scalar(path);
  if (written === undefined) throw document.fault(path, "this must be text");
  return written;
}

function needed(document: Document, path: Path): string {
  const written = text(document, path);
  if (written) return written;
  throw document.fault(path, written === undefined ? "this is missing" : "this is empty");
}

function flag(document: Document, path: Path): boolean {
  const value = toBoolean(text(document, path) ?? "");
  if (value === undefined) throw document.fault(path, "this must be true or false");
  return value;
}

function list(document: Document, path: Path): readonly unknown[] {
  const content = contentAt(document, path);
  if (content === undefined || content === null) return [];
  if (!Array.isArray(content)) throw document.fault(path, "this must be a list");
  return content;
}

function contentAt({ content }: Document, path: Path): unknown {
  return path.reduce<unknown>(
    (found, part) => (found as Record<string | number, unknown> | null | undefined)?.[part],
    content,
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
