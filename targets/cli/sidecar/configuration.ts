import { readFile } from "node:fs/promises";
import { configurationError } from "../../../src/errors.ts";
import type { AccessRule } from "../../../src/http/index.ts";
import { type Document, type Path, parseDocuments } from "../../_resources/document.ts";
import { toBoolean } from "../../_resources/settings.ts";
import { type Configuration, emptyConfiguration } from "./defaults.ts";

export interface ReadOptions {
  /** Variables that `${NAME}` in a file stands for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told what is not obeyed, with file and line. */
  readonly warn: (text: string) => void;
}

/** Reads files in their order, of which a later one wins. Throws `ERR_CONFIGURATION` with file and line for what is wrong. */
export async function readConfiguration(
  files: readonly string[],
  options: ReadOptions,
): Promise<Configuration> {
  let configuration = emptyConfiguration;
  for (const file of files) {
    const [document] = parseDocuments(file, expanded(await textOf(file), file, options));
    if (document) configuration = { ...configuration, ...readDocument(document, options.warn) };
  }
  return configuration;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it does not exist" : message;
    throw configurationError(`--config ${file} cannot be read: ${why}`, { cause });
  }
}

function expanded(text: string, file: string, { env, warn }: ReadOptions): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    if (Object.hasOwn(env, name)) return env[name] ?? "";
    warn(`${file}: the variable ${name} is not set, and empty there`);
    return "";
  });
}

/** Parts of Dapr's Configuration that change what a sidecar does and are not built yet. */
const unbuilt = [
  "httpPipeline",
  "appHttpPipeline",
  "tracing",
  "mtls",
  "secrets",
  "accessControl",
  "nameResolution",
  "features",
  "wasm",
  "workflow",
];
const built = ["api", "components", "logging", "metric", "metrics"];

function readDocument(document: Document, warn: ReadOptions["warn"]): Partial<Configuration> {
  const content = document.content([]);
  if (content === null || content === undefined) return {};
  if (!isRecord(content) || content.kind !== "Configuration") {
    throw document.fault(["kind"], "--config needs a resource of kind Configuration");
  }
  for (const part of Object.keys(recordAt(document, ["spec"]))) {
    if (built.includes(part)) continue;
    const known = unbuilt.includes(part);
    const why = known ? "is not built yet: it has no effect" : "is no part of a Configuration";
    warn(`${document.at(["spec", part])}: spec.${part} ${why}`);
  }
  return {
    ...apiOf(document),
    ...loggingOf(document),
    ...metricsOf(document),
    ...componentsOf(document),
  };
}

function apiOf(document: Document): Partial<Configuration> {
  if (!has(document, ["spec", "api"])) return {};
  return { allowed: rulesAt(document, "allowed"), denied: rulesAt(document, "denied") };
}

function rulesAt(document: Document, list: "allowed" | "denied"): AccessRule[] {
  return listAt(document, ["spec", "api", list]).map((_, at) => {
    const path = ["spec", "api", list, at];
    const text = (field: string) => document.scalar([...path, field]) ?? "";
    const [name, version, protocol] = [text("name"), text("version"), text("protocol")];
    if (name === "") throw document.fault([...path, "name"], "a rule needs a name, such as state");
    if (version === "") throw document.fault([...path, "version"], "a rule needs a version: v1.0");
    if (!/^(http|grpc|)$/.test(protocol)) {
      throw document.fault([...path, "protocol"], "it must be http or grpc");
    }
    return { name, version, protocol: protocol === "grpc" ? "grpc" : "http" };
  });
}

function loggingOf(document: Document): Partial<Configuration> {
  const path = ["spec", "logging", "apiLogging"];
  if (!has(document, path)) return {};
  const flag = (name: string) => flagAt(document, [...path, name]) ?? false;
  return {
    apiLogging: {
      enabled: flag("enabled"),
      obfuscateURLs: flag("obfuscateURLs"),
      omitHealthChecks: flag("omitHealthChecks"),
    },
  };
}

/** `metric` is an older name of `metrics`; either of them can turn them off. */
function metricsOf(document: Document): Partial<Configuration> {
  const found = ["metric", "metrics"].map((name) => flagAt(document, ["spec", name, "enabled"]));
  return found.some((flag) => flag !== undefined) ? { metrics: !found.includes(false) } : {};
}

function componentsOf(document: Document): Partial<Configuration> {
  const path = ["spec", "components", "deny"];
  if (!has(document, path)) return {};
  const refusedTypes = listAt(document, path).map((_, at) => {
    const type = document.scalar([...path, at]);
    if (!type) throw document.fault([...path, at], "it must be a type, such as state.redis");
    return type.toLowerCase();
  });
  return { refusedTypes };
}

function flagAt(document: Document, path: Path): boolean | undefined {
  if (!has(document, path)) return undefined;
  const flag = toBoolean(document.scalar(path) ?? "neither");
  if (flag === undefined) throw document.fault(path, "it must be true or false");
  return flag;
}

function listAt(document: Document, path: Path): readonly unknown[] {
  const list = document.content(path) ?? [];
  if (!Array.isArray(list)) throw document.fault(path, "it must be a list");
  return list;
}

function recordAt(document: Document, path: Path): Readonly<Record<string, unknown>> {
  const content = document.content(path) ?? {};
  if (!isRecord(content)) throw document.fault(path, "it must be a mapping");
  return content;
}

function has(document: Document, path: Path): boolean {
  const content = document.content(path);
  return content !== undefined && content !== null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
