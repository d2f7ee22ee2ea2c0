import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder, root } from "./folder.ts";
import { ended, owned, type Running, started } from "./process.ts";

export interface SidecarOptions {
  /** Further flags, as on a command line; a later one wins over those below. */
  readonly flags?: readonly string[];
  /** Files of the resources folder by name. Default: an in-memory store called `statestore`. */
  readonly resources?: Readonly<Record<string, string>>;
  /** The whole environment, which by default is empty. */
  readonly env?: Readonly<Record<string, string>>;
  readonly id?: string;
  /** Run the bundle in `dist`, which `npm run build` makes, and not the sources. */
  readonly built?: boolean;
  /** Text of the log that says that it has started; default that of daprd. */
  readonly until?: string;
}

export interface RunningSidecar extends Running {
  readonly port: number;
  /** Address of the metrics. */
  readonly metrics: string;
  /** Null while the process runs. */
  exitCode(): number | null;
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
}

export const memoryStore = componentYaml("statestore", "state.in-memory");

/** A Component of Dapr's. */
export function componentYaml(
  name: string,
  type: string,
  metadata: Readonly<Record<string, string>> = {},
  more = "",
): string {
  const items = Object.entries(metadata).map(
    ([field, value]) => `    - { name: ${field}, value: ${JSON.stringify(value)} }`,
  );
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${name} }
spec:
  type: ${type}
  version: v1
${more}${items.length > 0 ? `  metadata:\n${items.join("\n")}\n` : ""}`;
}

/** Starts a sidecar on free ports of this machine, and waits until it says that it runs. */
export async function startSidecar(options: SidecarOptions = {}): Promise<RunningSidecar> {
  const { until = "dapr initialized. Status: Running" } = options;
  const child = launch(options);
  let output = "";
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        output += chunk;
        if (output.includes(until)) resolve();
      });
    }
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  await started(child, () => output, ready);
  const found = (what: string) => Number(new RegExp(`${what}: \\S+:(\\d+)`).exec(output)?.[1]);
  const port = found("HTTP server listening on TCP address");
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    metrics: `http://127.0.0.1:${found("metrics server listening on TCP address")}/metrics`,
    pid: child.pid as number,
    output: () => output,
    exitCode: () => child.exitCode,
    exited,
    signal: (name) => void child.kill(name),
    kill: () => ended(child, "SIGKILL"),
    stop: () => ended(child, "SIGTERM"),
  };
}

/** Runs a sidecar that is expected to end by itself. */
export async function runSidecar(options: SidecarOptions) {
  const child = launch(options);
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk) => {
      printed[name] += chunk;
    });
  }
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(late);
  return { code, ...printed };
}

const running = new Set<ChildProcess>();

/** SIGKILL for those that a test that failed left running. */
export async function killSidecars(): Promise<void> {
  await Promise.all([...running].map((child) => ended(child, "SIGKILL")));
}

function launch(options: SidecarOptions): ChildProcess {
  const { flags = [], env = {}, id = "app", built = false } = options;
  const entry = join(root, built ? "dist/targets/cli/bin.js" : "targets/cli/bin.ts");
  const ports = ["--dapr-http-port", "0", "--metrics-port", "0"];
  const local = ["--metrics-listen-address", "127.0.0.1"];
  const own = ["--app-id", id, "--resources-path", folderOf(options), ...ports, ...local];
  const child = owned(
    spawn(process.execPath, [entry, "sidecar", ...own, ...flags], {
      cwd: "/",
      env: { ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

function folderOf({ resources = { "statestore.yaml": memoryStore } }: SidecarOptions): string {
  const folder = newFolder("resources");
  for (const [name, text] of Object.entries(resources)) writeFileSync(join(folder, name), text);
  return folder;
}
