/**
 * Bundles `pillion sidecar` over what the compiler made of it: a process that reads a few files starts in half the time
 * of one that reads two hundred. Drivers, and the parser of YAML, are files of their own that load when they are needed.
 */
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const sidecar = "targets/cli/sidecar";
const parts = readdirSync(join(root, sidecar, "parts")).map((name) => `${sidecar}/parts/${name}`);

/** Source files that a dynamic import does not bring into a bundle, each with the source of the file that it loads. */
const apart = new Map([
  [`${sidecar}/resources.ts`, `${sidecar}/resources.ts`],
  ...parts.map((part) => [bindingOf(part), part] as const),
]);

/** What a part re-exports. */
function bindingOf(part: string): string {
  const [, path = ""] = /from "([^"]+)"/.exec(readFileSync(join(root, part), "utf8")) ?? [];
  return join(dirname(part), path);
}

const separate: Plugin = {
  name: "separate",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, kind, resolveDir }) => {
      const file = apart.get(relative(root, join(resolveDir, path)));
      if (kind !== "dynamic-import" || !file) return undefined;
      const target = relative(sidecar, file).replace(/\.ts$/, ".js");
      return { path: `./${target}`, external: true };
    });
  },
};

/** Drivers that whoever wants them installs. */
const { peerDependenciesMeta } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly peerDependenciesMeta: Readonly<Record<string, unknown>>;
};

for (const entry of [`${sidecar}/main.ts`, `${sidecar}/resources.ts`, ...parts]) {
  const outfile = join(root, "dist", entry.replace(/\.ts$/, ".js"));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22.18",
    // Names stay: drivers tell their errors apart by those of classes.
    minifyWhitespace: true,
    minifySyntax: true,
    plugins: [separate],
    external: ["pillion/package.json", "pg-native", ...Object.keys(peerDependenciesMeta)],
    banner: {
      js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);',
    },
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  appendFileSync(outfile, licences(Object.keys(metafile.inputs)));
}

/** What the authors of the packages in a bundle ask to be kept with it. */
function licences(inputs: readonly string[]): string {
  const folders = inputs.flatMap(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return [...new Set(folders)].sort().map(licence).join("");
}

function licence(folder: string): string {
  const path = join(root, folder);
  const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
  const text = file
    ? readFileSync(join(path, file), "utf8").trim()
    : `Licence: ${(JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as { license: string }).license}`;
  return `/*\n${basename(folder)}\n\n${text.replaceAll("*/", "* /")}\n*/\n`;
}
