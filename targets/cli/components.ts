import { type ComponentFactory, registry } from "../../bindings/node/registry.ts";
import type { Field, Fields } from "../../src/contracts/component.ts";
import { suggestion, UsageError } from "./usage.ts";

/** One line for each component type. */
export async function listComponents(): Promise<string> {
  const rows = await Promise.all(
    Object.entries(registry).map(async ([type, load]) => {
      const create = await load();
      return [type, create({}).runsOn.join(", "), featuresOf(create).join(", ")];
    }),
  );
  return table([["TYPE", "RUNS ON", "FEATURES"], ...rows]);
}

/** Everything about one component type. Throws `UsageError` for one that there is not. */
export async function describeComponent(type: string): Promise<string> {
  const load = Object.hasOwn(registry, type) ? registry[type] : undefined;
  if (!load) {
    const hint = suggestion(type, Object.keys(registry)) ?? "pillion components lists them";
    throw new UsageError(`there is no component type ${type}: ${hint}`);
  }
  const create = await load();
  const { fields, runsOn } = create({});
  return [
    type,
    `  runs on   ${runsOn.join(", ")}`,
    `  features  ${featuresOf(create).join(", ")}`,
    "",
    "Settings:",
    ...Object.entries(fields).flatMap(([name, field]) => [
      `  ${name}  (${traitsOf(field)})`,
      `      ${field.description}`,
    ]),
  ].join("\n");
}

function traitsOf({ type, required, default: value, sensitive }: Field): string {
  const traits = [type === "code" ? "only in TypeScript" : type];
  if (required) traits.push("required");
  if (value !== undefined) traits.push(`default ${JSON.stringify(value)}`);
  if (sensitive) traits.push("sensitive");
  return traits.join(", ");
}

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

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
