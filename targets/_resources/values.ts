import type { Call } from "../../src/contracts/host.ts";
import { isGuarded, type SecretStore } from "../../src/contracts/secrets.ts";
import type { Entry, Manifest } from "./manifest.ts";
import type { Written } from "./settings.ts";

/** What the values of a manifest may refer to. */
export interface Sources {
  readonly id: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws for a store that there is not. */
  secretStore(manifest: Manifest, entry: Entry): Promise<SecretStore>;
}

/** Each setting with its text. Throws `ERR_CONFIGURATION` for a secret or a variable that there is not. */
export function writtenIn(manifest: Manifest, sources: Sources): Promise<Written[]> {
  return Promise.all(
    manifest.metadata.map(async (entry) => ({
      entry,
      value: await textOf(manifest, entry, sources),
    })),
  );
}

/** The text of one setting. Throws as {@link writtenIn} does. */
export async function textOf(manifest: Manifest, entry: Entry, sources: Sources): Promise<string> {
  const { from } = entry;
  switch (from.is) {
    case "value":
      return expanded(manifest, entry, from.value, sources);
    case "variable":
      return variableOf(manifest, entry, from.name, sources);
    case "secret": {
      const store = await sources.secretStore(manifest, entry);
      const secret = await store.get(from.name, outside);
      if (secret && Object.hasOwn(secret, from.key)) return secret[from.key] as string;
      const what = secret ? `secret ${from.name} has no key ${from.key}` : `no secret ${from.name}`;
      throw manifest.document.fault(
        entry.path,
        `${entry.name}: ${what} in ${manifest.secretStore}`,
      );
    }
  }
}

function variableOf(
  { document }: Manifest,
  { path, name }: Entry,
  variable: string,
  { env }: Sources,
): string {
  if (isGuarded(variable)) {
    throw document.fault(path, `${name}: no component may read the variable ${variable}`);
  }
  const value = Object.hasOwn(env, variable) ? env[variable] : undefined;
  if (value !== undefined) return value;
  throw document.fault(path, `${name}: the variable ${variable} is not set`);
}

/** Dapr's templates. What a secret or a variable holds is never taken for one. */
function expanded(
  { document }: Manifest,
  { path, name }: Entry,
  text: string,
  { id, env }: Sources,
): string {
  return text.replace(/\{(uuid|podName|namespace|appID)\}/g, (_, template: string) => {
    switch (template) {
      case "uuid":
        return crypto.randomUUID();
      case "appID":
        return id;
      case "namespace":
        return `${namespaceOf(env)}.${id}`;
      default:
        if (env.POD_NAME) return env.POD_NAME;
        throw document.fault(path, `${name}: {podName} needs the variable POD_NAME`);
    }
  });
}

function namespaceOf(env: Sources["env"]): string {
  return env.NAMESPACE || "default";
}

/** The namespace, where a manifest's settings have a template for it: with Dapr, it then is part of every topic. */
export function scopeOf({ metadata }: Manifest, { env }: Sources): string | undefined {
  const isScoped = metadata.some(
    ({ from }) => from.is === "value" && from.value.includes("{namespace}"),
  );
  return isScoped ? namespaceOf(env) : undefined;
}

/** Secrets for a manifest are read outside any invocation. */
const outside: Call = { signal: undefined, trace: {}, deadline: undefined, waitUntil() {} };
