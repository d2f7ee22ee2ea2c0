import type { Document, Path } from "./document.ts";
import { flag, isRecord, list, needed, text } from "./read.ts";

/** Who a Component is for: as much as must be sound in one that is for others. */
export interface Head {
  readonly document: Document;
  readonly name: string;
  readonly namespace: string | undefined;
  /** App ids that may use it; empty for all. */
  readonly scopes: readonly string[];
}

/** A Component of Dapr's, read and checked, with nothing in it resolved. */
export interface Manifest extends Head {
  /** In lower case. */
  readonly type: string;
  readonly version: string;
  readonly ignoreErrors: boolean;
  /** As written; a Go duration. */
  readonly initTimeout: string | undefined;
  readonly metadata: readonly Entry[];
  /** Name of the secret store that `secretKeyRef` asks. */
  readonly secretStore: string | undefined;
}

export interface Entry {
  readonly name: string;
  readonly path: Path;
  readonly from:
    | { readonly is: "value"; readonly value: string }
    | { readonly is: "secret"; readonly name: string; readonly key: string }
    | { readonly is: "variable"; readonly name: string };
}

export type Warn = (text: string) => void;

const API_VERSION = "dapr.io/v1alpha1";

/** Resources that Dapr has besides components. */
const otherKinds =
  /^(Subscription|Configuration|Resiliency|HTTPEndpoint|MCPServer|WorkflowAccessPolicy)$/;

/** Of the Component in a document; undefined for a resource of another kind. Throws `ERR_CONFIGURATION` for a malformed one. */
export function toHead(document: Document, warn: Warn): Head | undefined {
  const content = document.content([]);
  if (content === null || content === undefined) return undefined;
  if (!isRecord(content)) {
    throw document.fault([], "a resource is a mapping, with apiVersion and kind");
  }
  if (content.kind !== "Component") {
    warnOfKind(document, content, warn);
    return undefined;
  }
  const apiVersion = needed(document, ["apiVersion"]);
  if (apiVersion !== API_VERSION) {
    throw document.fault(["apiVersion"], `a Component is ${API_VERSION}, not ${apiVersion}`);
  }
  const name = needed(document, ["metadata", "name"]);
  if (!/^[^/%\\]+$/.test(name) || name === "." || name === "..") {
    throw document.fault(["metadata", "name"], `${JSON.stringify(name)} cannot be part of a path`);
  }
  const namespace = text(document, ["metadata", "namespace"]);
  const scopes = list(document, ["scopes"]).map((_, at) => needed(document, ["scopes", at]));
  return { document, name, namespace, scopes };
}

/** A component that is misspelt would else be missed only by whoever uses it. */
function warnOfKind(
  document: Document,
  { kind, apiVersion, spec }: Readonly<Record<string, unknown>>,
  warn: Warn,
): void {
  const meant = isRecord(spec) && spec.type !== undefined;
  if (typeof kind === "string" && otherKinds.test(kind)) return;
  if (!meant && !String(apiVersion).startsWith("dapr.io/")) return;
  const found = kind === undefined ? "it has no kind" : `its kind is ${JSON.stringify(kind)}`;
  warn(`${document.at(["kind"])}: this is no Component, since ${found}: left out`);
}

/** The rest of a Component. Throws `ERR_CONFIGURATION` for a malformed one. */
export function toManifest(head: Head, warn: Warn): Manifest {
  const { document } = head;
  const type = needed(document, ["spec", "type"]).toLowerCase();
  const metadata = entriesOf(document);
  warnOfUnknown(head, warn);
  return {
    ...head,
    type,
    version: text(document, ["spec", "version"]) || "v1",
    ignoreErrors: flag(document, ["spec", "ignoreErrors"]),
    initTimeout: text(document, ["spec", "initTimeout"]) || undefined,
    metadata,
    secretStore: text(document, ["auth", "secretStore"]),
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
  const item = document.content(path);
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

/** What a level of a Component may hold. */
const fields = {
  component: ["apiVersion", "kind", "metadata", "spec", "auth", "scopes"],
  metadata: ["name", "namespace", "labels", "annotations"],
  spec: ["type", "version", "ignoreErrors", "initTimeout", "metadata"],
  setting: ["name", "value", "secretKeyRef", "envRef"],
  secretKeyRef: ["name", "key"],
  auth: ["secretStore"],
} as const;

function warnOfUnknown({ document, name }: Head, warn: Warn): void {
  const check = (path: Path, known: readonly string[]) => {
    const content = document.content(path);
    for (const field of Object.keys(isRecord(content) ? content : {})) {
      if (known.includes(field)) continue;
      const place = document.at([...path, field]);
      warn(`${place}: component ${name} has no field ${[...path, field].join(".")}: left out`);
    }
  };
  check([], fields.component);
  check(["metadata"], fields.metadata);
  check(["spec"], fields.spec);
  check(["auth"], fields.auth);
  for (const at of list(document, ["spec", "metadata"]).keys()) {
    check(["spec", "metadata", at], fields.setting);
    check(["spec", "metadata", at, "secretKeyRef"], fields.secretKeyRef);
  }
}
