import { suggestion, UsageError } from "./usage.ts";

/** One line for each component type. */
export async function listComponents(): Promise<string> {
  const { catalog } = await import("./catalog.ts");
  const rows = catalog.map(({ type, runsOn, features }) => [
    type,
    runsOn.join(", "),
    features.join(", "),
  ]);
  return table([["TYPE", "RUNS ON", "FEATURES"], ...rows]);
}

/** Everything about one component type. Throws `UsageError` for one that there is not. */
export async function describeComponent(type: string): Promise<string> {
  const { catalog } = await import("./catalog.ts");
  const entry = catalog.find((one) => one.type === type);
  if (!entry) {
    const types = catalog.map((one) => one.type);
    const hint = suggestion(type, types) ?? "pillion components lists them";
    throw new UsageError(`there is no component type ${type}: ${hint}`);
  }
  return [
    type,
    `  runs on   ${entry.runsOn.join(", ")}`,
    `  features  ${entry.features.join(", ")}`,
    "",
    "Settings:",
    ...entry.settings.flatMap(({ name, traits, description }) => [
      `  ${name}  (${traits.join(", ")})`,
      `      ${description}`,
    ]),
  ].join("\n");
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
