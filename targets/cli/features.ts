import type { ComponentFactory } from "../../bindings/node/registry.ts";
import type { Field, Fields } from "../../src/contracts/component.ts";

/** Features follow from settings: those of the least ones, and then what each further setting adds. */
export function featuresOf(create: ComponentFactory): string[] {
  const { fields } = create({});
  const least = requiredOf(fields);
  const features = create(least).features;
  const more = Object.entries(fields).flatMap(([name, field]) => {
    const { features: others } = create({ ...least, [name]: sampleOf(field) });
    const added = others.filter((feature) => !features.includes(feature));
    return added.map((feature) => `${feature} (with ${name})`);
  });
  return [...features, ...more];
}

function requiredOf(fields: Fields): Record<string, unknown> {
  const required = Object.entries(fields).filter(([, field]) => field.required);
  return Object.fromEntries(required.map(([name, field]) => [name, sampleOf(field)]));
}

function sampleOf({ type, default: value }: Field): unknown {
  const samples = { string: "x", number: 1, boolean: value !== true, duration: 1, code: {} };
  return samples[type];
}
