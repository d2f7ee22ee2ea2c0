import { publishing } from "../../src/blocks/outbox/component.ts";
import { namespaced } from "../../src/blocks/pubsub/namespaced.ts";
import { encrypted } from "../../src/blocks/state/encryption.ts";
import type { Component, Startup } from "../../src/contracts/component.ts";
import { messageOf } from "../../src/errors.ts";
import type { Components } from "../../src/runtime.ts";
import { toMilliseconds } from "../../src/settings.ts";
import { type Making, toComponent } from "./component.ts";
import { type EncryptionEntries, keysOf } from "./encryption.ts";
import type { ReadFolder } from "./folder.ts";
import type { Manifest, Warn } from "./manifest.ts";
import { eventSettingsOf, isOfOutbox } from "./outbox.ts";
import { type SecretSources, secretSources } from "./secret-stores.ts";
import { selected } from "./select.ts";
import { scopeOf } from "./values.ts";

export type { Registry } from "./component.ts";

export interface LoadOptions extends Making {
  /** The app's id, which scopes and templates go by. */
  readonly id: string;
  /** Told what is left out, with file and line. */
  readonly onWarning?: Warn | undefined;
  /** Default: reads from the disk. */
  readonly read?: ReadFolder | undefined;
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
  const made = manifests
    .filter((manifest) => isBuilt(manifest, warn))
    .map((manifest) => toEntry(manifest, options, sources, warn));
  return Object.fromEntries((await Promise.all(made)).flat());
}

/** Dapr's blocks that pillion does not have yet. Secret stores are opened when something refers to them. */
const unbuilt = /^(bindings|configuration|lock|crypto|conversation|middleware|nameresolution)\./;

function isBuilt({ name, type, document }: Manifest, warn: Warn): boolean {
  if (!unbuilt.test(type)) return !type.startsWith("secretstores.");
  const block = type.slice(0, type.indexOf("."));
  const place = document.at(["spec", "type"]);
  warn(`${place}: component ${name} is left out: the building block ${block} is not built yet`);
  return false;
}

/** A component by its name; none for one that cannot be made and says `ignoreErrors`. */
async function toEntry(
  manifest: Manifest,
  options: LoadOptions,
  sources: SecretSources,
  warn: Warn,
): Promise<[string, Component][]> {
  try {
    return [[manifest.name, await toStore(manifest, options, sources, warn)]];
  } catch (error) {
    if (!manifest.ignoreErrors) throw error;
    warn(`${messageOf(error)}: component ${manifest.name} is left out, since it says ignoreErrors`);
    return [];
  }
}

async function toStore(
  manifest: Manifest,
  options: LoadOptions,
  sources: SecretSources,
  warn: Warn,
): Promise<Component> {
  const startup = startupOf(manifest);
  const { encryption, outbox, metadata } = splitRuntime(manifest);
  let made = await toComponent({ ...manifest, metadata }, options, sources, warn);
  if (encryption) {
    const keys = await keysOf(manifest, encryption, sources, options.host);
    made = encrypted(made as Component<"state">, keys);
  }
  const events = await eventSettingsOf(manifest, outbox, sources);
  if (events) made = publishing(made as Component<"state">, events);
  const scope = manifest.type.startsWith("pubsub.") ? scopeOf(manifest, sources) : undefined;
  if (scope) made = namespaced(made as Component<"pubsub">, scope);
  return { ...made, startup };
}

/** Takes out the settings that Dapr's runtime obeys, and no component. */
function splitRuntime({ metadata, type }: Manifest) {
  const named = (wanted: string) =>
    metadata.find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
  const outbox = type.startsWith("state.") ? metadata.filter(isOfOutbox) : [];
  const primary = named("primaryEncryptionKey");
  const secondary = named("secondaryEncryptionKey");
  const encryption: EncryptionEntries | undefined =
    primary || secondary ? { primary, secondary } : undefined;
  // Actors find their store by the last mark; it changes nothing for anybody else.
  const taken = [primary, secondary, named("actorStateStore"), ...outbox];
  return { encryption, outbox, metadata: metadata.filter((entry) => !taken.includes(entry)) };
}

function startupOf({ document, ignoreErrors, initTimeout = "5s" }: Manifest): Startup {
  const ms = toMilliseconds(initTimeout);
  if (!ms) {
    const why = `it must be a duration such as 30s, not ${JSON.stringify(initTimeout)}`;
    throw document.fault(["spec", "initTimeout"], why);
  }
  return { source: document.at(["spec"]), ignoreErrors, initTimeout: ms };
}
