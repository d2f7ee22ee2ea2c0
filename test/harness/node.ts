import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { ended, owned, type Running, started } from "./process.ts";

export interface NodeOptions {
  /** Source or built file that serves on the variable PORT and prints its URL. */
  readonly entry: string;
  /** Where the bundle goes and what the process runs in. Used again by the next start. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningNode extends Running {
  /** Null while the process runs. */
  exitCode(): number | null;
}

/** Bundles an app for Node and runs it in a process of its own, on a free port. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { entry, folder, env = {} } = options;
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "main.mjs");
  await bundleNode(entry, outfile);
  return startProgram([outfile], folder, env);
}

/** Runs a program that prints its URL, as the leader of a group of processes that a kill ends with it. */
export async function startProgram(
  words: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningNode> {
  const child = owned(
    spawn(process.execPath, words, {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PORT: "0", NODE_NO_WARNINGS: "1", ...env },
    }),
  );
  let output = "";
  const printed = new Promise<string>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
        const found = /http:\/\/\S+/.exec(output);
        if (found) resolve(found[0]);
      });
    }
  });
  const url = await started(child, () => output, printed);
  return {
    url,
    pid: child.pid as number,
    output: () => output,
    exitCode: () => child.exitCode,
    kill: () => {
      process.kill(-(child.pid as number), "SIGKILL");
      return ended(child, "SIGKILL");
    },
    stop: () => ended(child, "SIGTERM"),
  };
}

export async function bundleNode(entry: string, outfile: string, minify = false): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify,
    format: "esm",
    platform: "node",
    // The AWS SDK's CommonJS, which "main" names, requires Node's modules in a way that no ES module can.
    mainFields: ["module", "main"],
    target: "node22",
    logLevel: "silent",
  });
}
