import type { EncryptionOptions, SecretKeyRef } from "../../src/blocks/state/encryption.ts";
import type { Host } from "../../src/contracts/host.ts";
import type { Entry, Manifest } from "./manifest.ts";
import type { SecretSources } from "./secret-stores.ts";
import { textOf } from "./values.ts";

/** The settings of a store's encryption; undefined where it has none. */
export interface EncryptionEntries {
  readonly primary: Entry | undefined;
  readonly secondary: Entry | undefined;
}

/** The keys that they refer to, each fetched once to see that it is there. */
export async function keysOf(
  manifest: Manifest,
  { primary, secondary }: EncryptionEntries,
  sources: SecretSources,
  host: Host,
): Promise<EncryptionOptions> {
  if (!primary) {
    throw manifest.document.fault(
      secondary?.path ?? [],
      "a secondaryEncryptionKey needs a primaryEncryptionKey, which encrypts",
    );
  }
  return {
    primaryEncryptionKey: await keyOf(manifest, primary, sources, host),
    secondaryEncryptionKey: secondary && (await keyOf(manifest, secondary, sources, host)),
  };
}

async function keyOf(
  manifest: Manifest,
  entry: Entry,
  sources: SecretSources,
  host: Host,
): Promise<SecretKeyRef> {
  const { from, path, name } = entry;
  if (from.is !== "secret") {
    throw manifest.document.fault(
      path,
      `${name} must be a secretKeyRef: the secret's name is stored beside every value`,
    );
  }
  await textOf(manifest, entry, sources);
  const store = await sources.component(manifest, entry);
  // The key is read where its reference was checked, whatever variables the runtime has.
  const open = (_: Host, component: string) => store.open(host, component);
  return { name: from.name, key: from.key, store: { ...store, open } };
}
