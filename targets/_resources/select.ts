import { join } from "node:path";
import type { Host } from "../../src/contracts/host.ts";
import { type ReadFolder, readFolder } from "./folder.ts";
import { type Head, type Manifest, toHead, toManifest, type Warn } from "./manifest.ts";

export interface Selection {
  readonly id: string;
  readonly host: Host;
  /** Default: reads from the disk. */
  readonly read?: ReadFolder | undefined;
}

/**
 * The components that an app sees: those of its namespace, scoped to it or to nobody, from the folders and then from
 * the folder in each that is named after the target, whose components replace those of the same name.
 */
export async function selected(
  paths: readonly string[],
  { id, host, read = readFolder }: Selection,
  warn: Warn,
): Promise<Manifest[]> {
  const overlays = paths.map((path) => join(path, host.target));
  const chosen = new Map<string, Head>();
  for (const layer of [paths, overlays]) {
    const optional = layer === overlays;
    const documents = await Promise.all(layer.map((path) => read(path, { optional })));
    const heads = documents.flat().flatMap((document) => toHead(document, warn) ?? []);
    const seen = heads.filter((head) => isSeen(head, id, host.env.NAMESPACE));
    for (const head of unique(seen)) chosen.set(head.name, head);
  }
  return [...chosen.values()].map((head) => toManifest(head, warn));
}

function isSeen({ namespace, scopes }: Head, id: string, own: unknown): boolean {
  // Without NAMESPACE, Dapr takes a component of any.
  const near = !own || !namespace || namespace === own;
  return near && (scopes.length === 0 || scopes.includes(id));
}

/** Throws for two components of one name in the same layer. */
function unique(heads: readonly Head[]): readonly Head[] {
  const names = new Map<string, Head>();
  for (const head of heads) {
    const { name, document } = head;
    const first = names.get(name);
    if (first) {
      const other = first.document.at(["metadata", "name"]);
      throw document.fault(["metadata", "name"], `component ${name} is in ${other} already`);
    }
    names.set(name, head);
  }
  return heads;
}
