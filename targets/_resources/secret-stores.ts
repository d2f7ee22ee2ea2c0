import type { Component } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import type { SecretStore } from "../../src/contracts/secrets.ts";
import type { Entry, Manifest } from "./manifest.ts";
import type { Sources } from "./values.ts";

/** The secret stores that manifests refer to, which may refer to each other. */
export interface SecretSources extends Sources {
  /** The store that holds an entry's secret. Throws `ERR_CONFIGURATION` when there is none. */
  component(manifest: Manifest, entry: Entry): Promise<Component<"secretstores">>;
}

/** `make` makes the component of a secret store's manifest; it is called once for each that something refers to. */
export function secretSources(
  manifests: readonly Manifest[],
  { id, host }: { readonly id: string; readonly host: Host },
  make: (manifest: Manifest, sources: Sources) => Promise<Component>,
): SecretSources {
  const components = new Map<Manifest, Promise<Component<"secretstores">>>();
  const stores = new Map<Component, SecretStore>();
  const env = host.env as Readonly<Record<string, string | undefined>>;
  const sources: SecretSources = { id, env, secretStore, component };
  return sources;

  async function secretStore(manifest: Manifest, entry: Entry): Promise<SecretStore> {
    const found = await component(manifest, entry);
    const store = stores.get(found) ?? found.open(host, manifest.secretStore as string);
    stores.set(found, store);
    return store;
  }

  async function component(manifest: Manifest, entry: Entry): Promise<Component<"secretstores">> {
    const named = storeManifest(manifests, manifest, entry);
    const made = components.get(named) ?? make(named, sources);
    components.set(named, made as Promise<Component<"secretstores">>);
    return made as Promise<Component<"secretstores">>;
  }
}

function storeManifest(manifests: readonly Manifest[], manifest: Manifest, { path, name }: Entry) {
  const { document, secretStore } = manifest;
  if (!secretStore) {
    throw document.fault(path, `${name} is a secretKeyRef, and auth.secretStore names no store`);
  }
  const found = storeNamed(manifests, secretStore);
  if (!found) {
    throw document.fault(["auth", "secretStore"], `there is no secret store ${secretStore}`);
  }
  if (isCircular(manifests, found)) {
    throw found.document.fault(
      ["auth", "secretStore"],
      `secret store ${found.name} waits for a secret that is kept in itself`,
    );
  }
  return found;
}

function storeNamed(manifests: readonly Manifest[], wanted: string | undefined) {
  return manifests.find(({ name, type }) => name === wanted && type.startsWith("secretstores."));
}

/** Whether the secrets that a store needs, and those that their store needs, lead back to one of them. */
function isCircular(manifests: readonly Manifest[], first: Manifest): boolean {
  const passed = new Set<Manifest>();
  for (let at: Manifest | undefined = first; at; ) {
    if (passed.has(at)) return true;
    passed.add(at);
    const needs = at.metadata.some(({ from }) => from.is === "secret");
    at = needs ? storeNamed(manifests, at.secretStore) : undefined;
  }
  return false;
}
