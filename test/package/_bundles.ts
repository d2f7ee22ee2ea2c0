import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type BuildOptions, build, type Plugin } from "esbuild";
import type { Consumer } from "./_consumer.ts";

export interface Bundle {
  /** Minified and compressed. */
  readonly bytes: number;
  /** Modules of which something is left in the bundle, by their path from the consumer's folder. */
  readonly modules: readonly string[];
  /** What the platform must provide. */
  readonly externals: readonly string[];
}

/** As wrangler bundles a Worker, and as AWS's own tools bundle a function. */
const platforms = {
  workers: {
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
  },
  lambda: { target: "node22", platform: "node" },
} as const satisfies Record<string, BuildOptions>;

export interface BundleOptions {
  readonly platform: keyof typeof platforms;
  /** Take no package's word for being free of side effects. */
  readonly distrustful?: boolean;
}

export async function bundle(
  { folder }: Consumer,
  source: string,
  { platform, distrustful }: BundleOptions,
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...platforms[platform],
    stdin: { contents: source, resolveDir: folder, loader: "js", sourcefile: "main.js" },
    absWorkingDir: folder,
    outfile: join(folder, "bundle.js"),
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
    plugins: distrustful ? [withSideEffects] : [],
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {});
  return {
    bytes: gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length,
    modules: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path),
    externals: [...new Set(output?.imports.map(({ path }) => path))].sort(),
  };
}

/** Resolves as esbuild does, and says of every module that loading it does something. */
const withSideEffects: Plugin = {
  name: "with-side-effects",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /.*/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === "resolving" || from.kind === "entry-point") return undefined;
      const { importer, kind, namespace, resolveDir } = from;
      const found = await resolve(path, {
        importer,
        kind,
        namespace,
        resolveDir,
        pluginData: "resolving",
      });
      return { ...found, sideEffects: true };
    });
  },
};
