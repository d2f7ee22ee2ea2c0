import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ComponentFactory } from "../../bindings/node/registry.ts";
import type { Component, Field } from "../../src/contracts/component.ts";
import { featuresOf } from "../../targets/cli/features.ts";
import { root } from "../harness/folder.ts";

/** A component as its page shows it. */
export interface Page {
  /** Its type and, where Dapr has several, its version. */
  readonly title: string;
  readonly file: string;
  /** What TypeScript imports, and the name of the factory there. */
  readonly path: string;
  readonly factory: string;
  readonly component: Component;
  readonly features: readonly string[];
}

/** Every component of every public file in `bindings`, by its title. */
export async function pages(): Promise<Page[]> {
  const files = readdirSync(join(root, "bindings"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !/(^|\/)_|registry/.test(file))
    .sort();
  const found = await Promise.all(files.map(pagesOf));
  return found.flat().sort((a, b) => (a.title < b.title ? -1 : 1));
}

async function pagesOf(file: string): Promise<Page[]> {
  const module: Record<string, unknown> = await import(join(root, "bindings", file));
  return Object.entries(module).flatMap(([factory, value]) => {
    if (!/^(state|secrets|pubsub)/.test(factory) || typeof value !== "function") return [];
    const create = value as ComponentFactory;
    const component = create({});
    const title = component.version ? `${component.type}/${component.version}` : component.type;
    return {
      title,
      file: `${title.replace("/", "-")}.md`,
      path: `pillion/${file.replace(/\.ts$/, "")}`,
      factory,
      component,
      features: featuresOf(create),
    };
  });
}

type Block = "state" | "pubsub" | "secretstores";

const meanings: Readonly<Record<Block, Readonly<Record<string, string>>>> = {
  state: {
    ETAG: "ETags, first-write and `update`",
    TRANSACTIONAL: "transactions, all or none",
    TTL: "time to live",
    LIST: "listing keys by prefix",
  },
  pubsub: {
    MESSAGE_TTL: "the broker ends messages; without it, the event says when it ends",
    SUBSCRIBE_WILDCARDS: "wildcard topics",
    BULK_PUBSUB: "bulks in one request; without it, single publishes at a time",
    DELAY: "delayed delivery",
    ORDERING: "ordering keys",
  },
  secretstores: {},
};

const samples: Readonly<Record<Block, string>> = {
  state: "statestore",
  pubsub: "pubsub",
  secretstores: "secretstore",
};

/** The page, in Markdown. */
export function render({ title, path, factory, component, features }: Page): string {
  const { type, fields, runsOn, clock } = component;
  return [
    `# ${title}`,
    "",
    `Runs on ${runsOn.join(", ")}.`,
    ...abilities(blockOf(type), features, clock),
    "",
    "```ts",
    `import { ${factory} } from "${path}";`,
    "",
    `const component = ${factory}(${sample(component)});`,
    "```",
    "",
    ...manifest(component),
    "",
    "| Setting | Type | Default | |",
    "| --- | --- | --- | --- |",
    ...Object.entries(fields).map(row),
    "",
  ].join("\n");
}

function blockOf(type: string): Block {
  return type.slice(0, type.indexOf(".")) as Block;
}

function abilities(block: Block, features: readonly string[], clock: Component["clock"]): string[] {
  const absent = block === "state" ? "refused" : "no";
  const known = Object.entries(meanings[block]).map(([feature, meaning]) => {
    const claimed = features.find((text) => text.startsWith(feature));
    const condition = claimed?.slice(feature.length).trim();
    return `- ${meaning} (${feature}): ${claimed ? `yes${condition && `, ${condition.slice(1, -1)}`}` : absent}`;
  });
  if (known.length === 0) return [];
  const whose = clock === "host" ? "of whoever calls" : "of the service";
  const ends = block === "state" ? [`- a time to live ends by the clock ${whose}`] : [];
  return ["", ...known, ...ends];
}

function sample({ fields }: Component): string {
  const required = Object.entries(fields).filter(([, field]) => field.required);
  const settings = required.map(
    ([name, { type }]) => `${name}: ${type === "string" ? '"…"' : "…"}`,
  );
  return settings.length === 0 ? "{}" : `{ ${settings.join(", ")} }`;
}

function manifest({ type, version, fields, runsOn }: Component): string[] {
  const required = Object.keys(fields).filter((name) => fields[name]?.required);
  const file = runsOn.includes("node") ? "" : "# for the build: a Node process refuses it\n";
  return [
    "```yaml",
    `${file}apiVersion: dapr.io/v1alpha1`,
    "kind: Component",
    "metadata:",
    `  name: ${samples[blockOf(type)]}`,
    "spec:",
    `  type: ${type}`,
    `  version: ${version ?? "v1"}`,
    required.length === 0 ? "  metadata: []" : "  metadata:",
    ...required.flatMap((name) => [`    - name: ${name}`, '      value: "…"']),
    "```",
  ];
}

function row([name, field]: [string, Field]): string {
  const { type, unit = "s", aliases = [], required, sensitive, description } = field;
  const kind = { code: "only in TypeScript", duration: `duration, bare numbers in ${unit}` };
  const shown = type in kind ? kind[type as keyof typeof kind] : type;
  const notes = [
    ...aliases.map((alias) => `In YAML also \`${alias}\`.`),
    ...(sensitive ? ["Kept out of messages."] : []),
  ];
  const value = field.default === undefined ? "" : `\`${JSON.stringify(field.default)}\``;
  const text = [description, ...notes].join(" ").replaceAll("|", "\\|");
  return `| \`${name}\` | ${shown} | ${required ? "required" : value} | ${text} |`;
}
