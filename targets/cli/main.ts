import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { describeComponent, listComponents } from "./components.ts";
import { suggestion, UsageError } from "./usage.ts";

const help = `pillion: Dapr's building blocks inside your function

Usage: pillion <command>

Commands:
  components           lists the component types, where each runs and what it can do
  components <type>    shows the settings of one
  sidecar              serves Dapr's HTTP API, with daprd's flags: see pillion sidecar --help

Options:
  -h, --help           shows this
  -v, --version        shows pillion's version
`;

const commands: Readonly<Record<string, (words: readonly string[]) => Promise<string>>> = {
  components: ([type]) => (type === undefined ? listComponents() : describeComponent(type)),
};

const options = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** Runs one command and resolves to the process's exit code: 1, with a line on stderr, for what it does not know. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    // Its flags are daprd's, and its own to read.
    if (args[0] === "sidecar") return await runSidecar(args.slice(1));
    console.log(await answer(args));
    return 0;
  } catch (error) {
    // By its name: the sidecar is a bundle with a class of its own.
    if (!(error instanceof Error && error.name === "UsageError")) throw error;
    console.error(`pillion: ${error.message}`);
    return 1;
  }
}

async function runSidecar(words: readonly string[]): Promise<number> {
  const { sidecar } = await import("./sidecar/main.ts");
  return sidecar(words);
}

async function answer(args: readonly string[]): Promise<string> {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option" || Object.hasOwn(options, token.name)) continue;
    throw unknown("option", token.rawName);
  }
  if (values.version) return version();
  const [command, ...words] = positionals;
  if (values.help || command === undefined) return help.trimEnd();
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!run) throw unknown("command", command);
  if (words.length > 1)
    throw new UsageError(
      `${command} takes one word at most, not ${words.length}: see pillion --help`,
    );
  return run(words);
}

function unknown(what: string, word: string): UsageError {
  const known = [
    ...Object.keys(commands),
    "sidecar",
    ...Object.keys(options).map((name) => `--${name}`),
  ];
  return new UsageError(
    `there is no ${what} ${word}: ${suggestion(word, known) ?? "see pillion --help"}`,
  );
}

/** By the package's own name, which leads from the sources and from the build to the same file. */
function version(): string {
  return (createRequire(import.meta.url)("pillion/package.json") as { version: string }).version;
}
