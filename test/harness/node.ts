import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { ended, type Running } from "./process.ts";

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
  const child = spawn(process.execPath, [outfile], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: "0", NODE_NO_WARNINGS: "1", ...env },
  });
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = /http:\/\/\S+/.exec(output);
      if (found) resolve(found[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`the process ended with ${code}:\n${output}`)));
  });
  return {
    url,
    pid: child.pid as number,
    output: () => output,
    exitCode: () => child.exitCode,
    kill: () => ended(child, "SIGKILL"),
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
    target: "node22",
    logLevel: "silent",
  });
}
