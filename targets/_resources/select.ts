import { join } from "node:path";
import type { Host } from "../../src/contracts/host.ts";
import { readFolder } from "./folder.ts";
import { type Manifest, toManifest } from "./manifest.ts";

export interface Selection {
  readonly id: string;
  readonly host: Host;
}

/**
 * The components that an app sees: those of its namespace, scoped to it or to nobody, from the folders and then from
 * the folder in each that is named after the target, whose components replace those of the same name.
 */
export async function selected(
  paths: readonly string[],
  { id, host }: Selection,
  warn: (text: string) => void,
): Promise<Manifest[]> {
  const overlays = paths.map((path) => join(path, host.target));
  const chosen = new Map<string, Manifest>();
  for (const layer of [paths, overlays]) {
    const optional = layer === overlays;
    const documents = await Promise.all(layer.map((path) => readFolder(path, { optional })));
    const manifests = documents.flat().flatMap((document) => toManifest(document, warn) ?? []);
    const seen = manifests.filter((manifest) => isSeen(manifest, id, host.env.NAMESPACE));
    for (const manifest of unique(seen)) chosen.set(manifest.name, manifest);
  }
  return [...chosen.values()];
}

function isSeen({ namespace, scopes }: Manifest, id: string, own: unknown): boolean {
  // Without NAMESPACE, Dapr takes a component of any.
  const near = !own || !namespace || namespace === own;
  return near && (scopes.length === 0 || scopes.includes(id));
}

/** Throws for two components of one name in the same layer. */
function unique(manifests: readonly Manifest[]): readonly Manifest[] {
  const names = new Map<string, Manifest>();
  for (const manifest of manifests) {
    const { name, document } = manifest;
    const first = names.get(name);
    if (first) {
      const other = first.document.at(["metadata", "name"]);
      throw document.fault(["metadata", "name"], `component ${name} is in ${other} already`);
    }
    names.set(name, manifest);
  }
  return manifests;
}
