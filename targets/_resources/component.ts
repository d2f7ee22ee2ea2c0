import { checkComponent } from "../../src/components.ts";
import type { Component, Fields } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { configurationError, messageOf } from "../../src/errors.ts";
import { settingsOf } from "../../src/settings.ts";
import type { Manifest, Warn } from "./manifest.ts";
import { fieldNamed, toOptions, type Written } from "./settings.ts";
import { type Sources, writtenIn } from "./values.ts";

/** Factories of components by type, or by type, `/` and version. */
export type Registry = Readonly<
  Record<string, () => Promise<{ create(options: object): Component }["create"]>>
>;

export interface Making {
  readonly host: Host;
  readonly registry: Registry;
}

/** The component that a manifest describes, with its settings checked. */
export async function toComponent(
  manifest: Manifest,
  { registry, host }: Making,
  sources: Sources,
  warn: Warn,
): Promise<Component> {
  const { name, document } = manifest;
  const create = await factoryOf(manifest, registry);
  const { fields, type, runsOn } = create({});
  if (!runsOn.includes(host.target)) {
    const why = `${type} does not run on ${host.target}, only on ${runsOn.join(", ")}`;
    throw document.fault(["spec", "type"], why);
  }
  const written = await writtenIn(manifest, sources);
  const component = create(toOptions(manifest, fields, written, warn));
  try {
    if (/^(state|pubsub)\./.test(type)) checkComponent(name, component, host);
    else settingsOf(fields, component.options, name);
  } catch (cause) {
    throw configurationError(placed(manifest, fields, written, messageOf(cause)));
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

/** A finding about settings with the line of the setting that it names, and nothing of what was referred to. */
function placed(
  { document }: Manifest,
  fields: Fields,
  written: readonly Written[],
  finding: string,
): string {
  const [, field] = /the setting (\w+)/.exec(finding) ?? [];
  const named = written.find(({ entry }) => fieldNamed(fields, entry.name) === field);
  const hidden = written.filter(({ entry, value }) => entry.from.is !== "value" && value !== "");
  const shown = hidden.reduce((text, { value }) => text.replaceAll(value, "…"), finding);
  return `${document.at(named?.entry.path ?? ["spec", "metadata"])}: ${shown}`;
}
