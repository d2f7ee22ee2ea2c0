import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { root } from "../harness/folder.ts";

export const run = promisify(execFile);

/** A project of a user's, with the packed package installed into it by npm. */
export interface Consumer {
  readonly folder: string;
  /** The installed package, which holds what the tarball held. */
  readonly pillion: string;
  write(files: Readonly<Record<string, string>>): void;
  /** Makes a package of the checkout importable from here. */
  link(name: string): void;
  /** What a module prints that runs in a process with no environment. */
  node(source: string): Promise<{ stdout: string; stderr: string }>;
  remove(): void;
}

/**
 * Outside the checkout, so that nothing the package forgot to declare is found further up.
 * npm gets every package as a tarball, so it needs no network.
 */
export async function installConsumer(hono: "hono" | "hono-oldest" = "hono"): Promise<Consumer> {
  const folder = mkdtempSync(join(tmpdir(), "pillion-consumer-"));
  const names = [hono, ...dependencies()];
  const packed = [root, ...names.map((name) => join(root, "node_modules", name))];
  // The variables that `npm test` sets would make npm work on the checkout.
  const env = { PATH: process.env.PATH, HOME: folder };
  const npm = (...words: string[]) =>
    run("npm", [...words, "--ignore-scripts", "--offline", "--silent"], { cwd: folder, env });
  const { stdout } = await npm("pack", ...packed);
  const tarballs = stdout.trim().split("\n");
  const files = ["pillion", "hono", ...dependencies()].map(
    (name, index) => [name, `file:${tarballs[index]}`] as const,
  );
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({
      name: "consumer",
      private: true,
      type: "module",
      dependencies: Object.fromEntries(files.filter(([name]) => !isNested(name))),
      overrides: overridesOf(files),
    }),
  );
  await npm("install", "--no-audit", "--no-fund");

  return {
    folder,
    pillion: join(folder, "node_modules/pillion"),
    write(files) {
      for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
    },
    link(name) {
      const link = join(folder, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      // A driver may have brought a copy of its own.
      rmSync(link, { recursive: true, force: true });
      symlinkSync(join(root, "node_modules", name), link);
    },
    node: (source) =>
      run(process.execPath, ["--input-type=module", "--eval", source], { cwd: folder, env: {} }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function isNested(name: string): boolean {
  return name.includes("/node_modules/");
}

/** Other versions of a package, which npm is to put below the one that asks for them. */
function overridesOf(files: readonly (readonly [name: string, file: string])[]): object {
  const overrides: Record<string, Record<string, string>> = {};
  for (const [name, file] of files) {
    if (!isNested(name)) continue;
    const [above, below] = name.split("/node_modules/") as [string, string];
    overrides[above] = { ...overrides[above], [below]: file };
  }
  return overrides;
}

/** Every package that installing pillion brings, by the lock file. */
function dependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: true; devOptional?: true; peer?: true }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, peer }]) => path && !dev && !devOptional && !peer)
    .map(([path]) => path.replace(/^node_modules\//, ""))
    .filter((name) => name !== "hono");
}

/** Paths of all files under a folder, relative to it, sorted. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
