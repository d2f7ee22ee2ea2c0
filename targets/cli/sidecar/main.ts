import { createRequire } from "node:module";
import { UsageError } from "../usage.ts";
import { type Flag, flags } from "./flags.ts";
import { createLog, type Log, logTo } from "./log.ts";
import { notesOn } from "./notes.ts";
import { type Options, toOptions } from "./options.ts";
import { parseFlags } from "./parse.ts";
import { run } from "./run.ts";
import { waitForSidecar } from "./wait.ts";
import { limitYoungGeneration } from "./young.ts";

/** `pillion sidecar`: resolves to the exit code where it only prints, and else ends the process. Throws `UsageError` for wrong flags. */
export async function sidecar(words: readonly string[]): Promise<number> {
  const parsed = parseFlags(words);
  const { values } = parsed;
  const { version } = manifest();
  if (values.help) return printed(help());
  if (values.version) return printed(version);
  if (values["build-info"]) {
    const { node, v8 } = process.versions;
    return printed(`Version: ${version}\nNode: ${node}\nV8: ${v8}`);
  }
  if (values.wait) return wait(values["dapr-http-port"] ?? flags["dapr-http-port"].default);
  const options = toOptions(parsed);
  const log = logFor(options, version);
  log.write("info", `Starting Dapr Runtime -- pillion ${version}`);
  log.write("info", `Log level set to: ${options.log.level}`);
  for (const { level, text } of notesOn(parsed)) log.write(level, text);
  limitYoungGeneration();
  // Whatever a client or a service still holds is not to keep the process.
  process.exit(await run(options, log));
}

function logFor({ id, log: { level, json, file } }: Options, version: string): Log {
  try {
    return createLog({ level, json, id, version, to: logTo(file) });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new UsageError(`--log-file ${file} cannot be written: ${code}`);
  }
}

function printed(text: string): number {
  console.log(text);
  return 0;
}

async function wait(port: number): Promise<number> {
  const ready = await waitForSidecar(port, (text) => console.error(text));
  console.error(ready ? "it is ready" : "it did not become ready");
  return ready ? 0 : 1;
}

function help(): string {
  const rows = Object.entries(flags as Readonly<Record<string, Flag>>)
    .filter(([, { what }]) => what !== "")
    .map(([name, { kind, what, default: value }]) => {
      const shown = value === undefined || String(value) === "" ? "" : ` (default ${value})`;
      return `  ${`--${name}${kind === "boolean" ? "" : ` ${kind}`}`.padEnd(40)} ${what}${shown}`;
    });
  return [
    "pillion sidecar: Dapr's HTTP API in a process of its own, with daprd's flags",
    "",
    "Usage: pillion sidecar --app-id orders --resources-path ./components",
    "",
    ...rows,
  ].join("\n");
}

/** By the package's own name, which leads from the sources and from the build to the same file. */
function manifest(): { readonly version: string } {
  return createRequire(import.meta.url)("pillion/package.json") as { version: string };
}
