import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";
import { ended, owned, type Running, started } from "./process.ts";

/** Path of workerd's executable. The package is CommonJS with a default export, which Node and Vitest import differently. */
const workerd: string = createRequire(import.meta.url)("workerd").default;

export const COMPATIBILITY_DATE = "2026-10-28";

export interface WorkersOptions {
  /** Source or built file whose default export is the Worker. */
  readonly entry: string;
  /** Where the bundle, the configuration and what Durable Objects store go. Used again by the next start. */
  readonly folder: string;
  readonly minify?: boolean;
  /** Whether the main module exports PillionObject. Default true. */
  readonly objects?: boolean;
  /** Text for `env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** More Workers in the same process, bound to the first one's PillionObject as STORE; by name, their entry. */
  readonly peers?: Readonly<Record<string, string>>;
}

export interface RunningWorkers extends Running {
  /** URL of each peer. */
  readonly peers: Readonly<Record<string, string>>;
}

/** Bundles a Worker as wrangler would and serves it with workerd itself: nothing between the caller and the runtime. */
export async function startWorkers(options: WorkersOptions): Promise<RunningWorkers> {
  const { folder, peers = {}, minify } = options;
  mkdirSync(join(folder, "objects"), { recursive: true });
  await bundleWorker(options.entry, join(folder, "main.js"), minify);
  for (const [name, entry] of Object.entries(peers))
    await bundleWorker(entry, join(folder, `${name}.js`));
  writeFileSync(join(folder, "config.capnp"), configuration(options));

  const child = owned(
    spawn(workerd, ["serve", "--control-fd=3", join(folder, "config.capnp")], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      cwd: folder,
    }),
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  const sockets = ["main", ...Object.keys(peers)];
  const ports = await started(child, () => output, portsOf(child, sockets));
  return {
    url: `http://127.0.0.1:${ports.main}`,
    peers: Object.fromEntries(
      Object.keys(peers).map((name) => [name, `http://127.0.0.1:${ports[name]}`]),
    ),
    pid: child.pid as number,
    output: () => output,
    kill: () => ended(child, "SIGKILL"),
    stop: () => ended(child, "SIGTERM"),
  };
}

export async function bundleWorker(entry: string, outfile: string, minify = false): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    logLevel: "silent",
  });
}

function configuration({ objects = true, env = {}, peers = {} }: WorkersOptions): string {
  const names = Object.keys(peers);
  const text = Object.entries(env).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  );
  const worker = (name: string, more: string[]) => `const ${name} :Workerd.Worker = (
  modules = [(name = "${name}.js", esModule = embed "${name}.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  ${more.join(",\n  ")}
);`;
  const main = [`bindings = [${text.join(", ")}]`];
  if (objects) {
    main.push(
      `durableObjectNamespaces = [(className = "PillionObject", uniqueKey = "pillion-objects", enableSql = true)]`,
      `durableObjectStorage = (localDisk = "objects")`,
    );
  }
  const store = `bindings = [(name = "STORE", durableObjectNamespace = (className = "PillionObject", serviceName = "main"))]`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${["main", ...names].map((name) => `(name = "${name}", worker = .${name})`).join(",\n    ")},
    (name = "objects", disk = (path = "objects", writable = true)),
    # By default workerd lets no Worker reach the loopback, where the tests' services are.
    (name = "internet", network = (allow = ["public", "private", "local"]))
  ],
  sockets = [${["main", ...names].map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`).join(", ")}]
);
${worker("main", main)}
${names.map((name) => worker(name, [store])).join("\n")}
`;
}

/** workerd says on its control channel which port each socket got. */
function portsOf(child: ChildProcess, sockets: string[]): Promise<Record<string, number>> {
  return new Promise((resolve) => {
    const ports: Record<string, number> = {};
    let text = "";
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line) as { event: string; socket: string; port: number };
        if (event.event === "listen") ports[event.socket] = event.port;
      }
      if (sockets.every((name) => ports[name])) resolve(ports);
    });
  });
}
