/**
 * Takes the descriptions of settings out of what the compiler made of the components, and writes them down where the
 * command line reads them: a function would only carry them. A required setting keeps its own, which the error for its
 * absence says.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { catalog } from "../catalog.ts";

const dist = fileURLToPath(new URL("../../../dist", import.meta.url));

writeFileSync(
  join(dist, "targets/cli/catalog.js"),
  `export const catalog = ${JSON.stringify(catalog, null, 1)};\n`,
);

for (const folder of ["src/contracts", "bindings"]) {
  const paths = readdirSync(join(dist, folder), { recursive: true, encoding: "utf8" });
  for (const path of paths.filter((name) => name.endsWith(".js"))) strip(join(dist, folder, path));
}

function strip(file: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes("description:")) return;
  let left = text;
  // From the end, so that the places before it stay true.
  for (const { pos, end } of descriptionsIn(file, text).reverse()) {
    if (text[pos] !== ",")
      throw new Error(`${file}: a setting must not begin with its description`);
    left = left.slice(0, pos) + left.slice(end);
  }
  writeFileSync(file, left);
}

interface Place {
  readonly pos: number;
  readonly end: number;
}

/** Each from the comma before it, since a setting begins with its type. */
function descriptionsIn(file: string, text: string): Place[] {
  const found: Place[] = [];
  const look = (node: ts.Node): void => {
    const description = ts.isObjectLiteralExpression(node) && descriptionOf(node);
    if (description) found.push({ pos: description.pos - 1, end: description.end });
    ts.forEachChild(node, look);
  };
  look(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

function descriptionOf({ properties }: ts.ObjectLiteralExpression): Place | undefined {
  const called = (name: string) =>
    properties.find((one) => one.name && ts.isIdentifier(one.name) && one.name.text === name);
  return called("type") && !called("required") ? called("description") : undefined;
}
