import { type ComponentFactory, registry } from "../../bindings/node/registry.ts";
import type { Field } from "../../src/contracts/component.ts";
import { featuresOf } from "./features.ts";

export interface Entry {
  readonly type: string;
  readonly runsOn: readonly string[];
  readonly features: readonly string[];
  readonly settings: readonly Setting[];
}

export interface Setting {
  readonly name: string;
  readonly traits: readonly string[];
  readonly description: string | undefined;
}

/** Every component type. The build writes down what it comes to, because it takes the descriptions from the components. */
export const catalog: readonly Entry[] = await Promise.all(
  Object.entries(registry).map(async ([type, load]) => entryOf(type, await load())),
);

function entryOf(type: string, create: ComponentFactory): Entry {
  const { fields, runsOn } = create({});
  const settings = Object.entries(fields).map(([name, field]) => {
    return { name, traits: traitsOf(field), description: field.description };
  });
  return { type, runsOn, features: featuresOf(create), settings };
}

function traitsOf({ type, required, default: value, sensitive }: Field): string[] {
  const traits: string[] = [type === "code" ? "only in TypeScript" : type];
  if (required) traits.push("required");
  if (value !== undefined) traits.push(`default ${JSON.stringify(value)}`);
  if (sensitive) traits.push("sensitive");
  return traits;
}
