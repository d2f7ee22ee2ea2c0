import { type EncryptionOptions, encrypted } from "../../src/blocks/state/encryption.ts";
import { checkComponent } from "../../src/components.ts";
import type { Component, Startup } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { configurationError, messageOf } from "../../src/errors.ts";
import type { Components } from "../../src/runtime.ts";
import { settingsOf, toMilliseconds } from "../../src/settings.ts";
import type { Entry, Manifest } from "./manifest.ts";
import { type SecretSources, secretSources } from "./secret-stores.ts";
import { selected } from "./select.ts";
import { toOptions } from "./settings.ts";
import { type Sources, writtenIn } from "./values.ts";

/** Factories of components by type, or by type, `/` and version. */
export type Registry = Readonly<
  Record<string, () => Promise<{ create(options: object): Component }["create"]>>
>;

export interface LoadOptions {
  /** The app's id, which scopes and templates go by. */
  readonly id: string;
  readonly host: Host;
  readonly registry: Registry;
  /** Told what is left out, with file and line. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The components that Dapr's YAML in these folders declares for an app, with their secrets in them.
 * Throws `ERR_CONFIGURATION` with file, line and field for the first thing that is wrong.
 */
export async function loadComponents(
  paths: readonly string[],
  options: LoadOptions,
): Promise<Components> {
  const warn = options.onWarning ?? (() => {});
  const manifests = await selected(paths, options, warn);
  const sources = secretSources(manifests, options, (manifest, from) =>
    toComponent(manifest, options, from, warn),
  );
  const found = manifests
    .filter((manifest) => isBuilt(manifest, warn))
    .map(async (manifest) => [manifest.name, await toState(manifest, options, sources, warn)]);
  return Object.fromEntries(await Promise.all(found));
}

/** Dapr's blocks that pillion does not have yet. Secret stores are opened when something refers to them. */
const unbuilt =
  /^(pubsub|bindings|configuration|lock|crypto|conversation|middleware|nameresolution)\./;

function isBuilt({ name, type, document }: Manifest, warn: (text: string) => void): boolean {
  if (!unbuilt.test(type)) return !type.startsWith("secretstores.");
  const block = type.slice(0, type.indexOf("."));
  const place = document.at(["spec", "type"]);
  warn(`${place}: component ${name} is left out: the building block ${block} is not built yet`);
  return false;
}

async function toState(
  manifest: Manifest,
  options: LoadOptions,
  sources: SecretSources,
  warn: (text: string) => void,
): Promise<Component> {
  const { encryption, metadata } = splitRuntime(manifest);
  const plain = await toComponent({ ...manifest, metadata }, options, sources, warn);
  const component = encryption
    ? encrypted(plain as Component<"state">, await keysOf(manifest, encryption, sources))
    : plain;
  return { ...component, startup: startupOf(manifest) };
}

/** The component that a manifest describes, with its settings checked. */
async function toComponent(
  manifest: Manifest,
  { registry, host }: LoadOptions,
  sources: Sources,
  warn: (text: string) => void,
): Promise<Component> {
  const { name, document } = manifest;
  const create = await factoryOf(manifest, registry);
  const { fields } = create({});
  const component = create(toOptions(manifest, fields, await writtenIn(manifest, sources), warn));
  try {
    if (component.type.startsWith("state.")) checkComponent(name, component, host);
    else settingsOf(fields, component.options, name);
  } catch (cause) {
    throw configurationError(`${document.at(["spec", "metadata"])}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return component;
}

/** Dapr's other names of types. */
const aliases: Readonly<Record<string, string>> = { "state.postgres": "state.postgresql" };

async function factoryOf({ type, version, document }: Manifest, registry: Registry) {
  const known = Object.hasOwn(aliases, type) ? aliases[type] : type;
  const key = /^v[01]$/i.test(version) ? `${known}` : `${known}/${version.toLowerCase()}`;
  const load = Object.hasOwn(registry, key) ? registry[key] : undefined;
  if (load) return load();
  const all = Object.keys(registry).join(", ");
  throw document.fault(["spec", "type"], `there is no component type ${key}: there is ${all}`);
}

const keyNames = ["primaryEncryptionKey", "secondaryEncryptionKey"] as const;
type EncryptionEntries = Readonly<Partial<Record<(typeof keyNames)[number], Entry>>>;

/** Takes out the settings that Dapr's runtime obeys, and no component. */
function splitRuntime({ metadata, document }: Manifest) {
  const named = (wanted: string) =>
    metadata.find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
  const outbox = metadata.find(({ name }) => /^outbox/i.test(name));
  if (outbox) throw document.fault(outbox.path, `${outbox.name}: the outbox is not built yet`);
  const [primaryEncryptionKey, secondaryEncryptionKey] = keyNames.map(named);
  // Actors find their store by this mark; it changes nothing for anybody else.
  const taken = [primaryEncryptionKey, secondaryEncryptionKey, named("actorStateStore")];
  const encryption: EncryptionEntries | undefined =
    primaryEncryptionKey || secondaryEncryptionKey
      ? { primaryEncryptionKey, secondaryEncryptionKey }
      : undefined;
  return { encryption, metadata: metadata.filter((entry) => !taken.includes(entry)) };
}

async function keysOf(
  manifest: Manifest,
  { primaryEncryptionKey: primary, secondaryEncryptionKey: secondary }: EncryptionEntries,
  sources: SecretSources,
): Promise<EncryptionOptions> {
  if (!primary) {
    throw manifest.document.fault(
      secondary?.path ?? [],
      "a secondaryEncryptionKey needs a primaryEncryptionKey, which encrypts",
    );
  }
  return {
    primaryEncryptionKey: await keyOf(manifest, primary, sources),
    secondaryEncryptionKey: secondary && (await keyOf(manifest, secondary, sources)),
  };
}

async function keyOf(manifest: Manifest, entry: Entry, sources: SecretSources) {
  const { from, path, name } = entry;
  if (from.is !== "secret") {
    throw manifest.document.fault(
      path,
      `${name} must be a secretKeyRef: the secret's name is stored beside every value`,
    );
  }
  await writtenIn({ ...manifest, metadata: [entry] }, sources);
  const store = await sources.component(manifest, entry);
  return { name: from.name, key: from.key, store };
}

function startupOf({ document, ignoreErrors, initTimeout = "5s" }: Manifest): Startup {
  const ms = toMilliseconds(initTimeout);
  if (!ms) {
    const why = `it must be a duration such as 30s, not ${JSON.stringify(initTimeout)}`;
    throw document.fault(["spec", "initTimeout"], why);
  }
  return { source: document.at(["spec"]), ignoreErrors, initTimeout: ms };
}
