import { join } from "node:path";
import type { Host } from "../../src/contracts/host.ts";
import { configurationError, messageOf } from "../../src/errors.ts";
import {
  type Bulk,
  bulkOf,
  type Compile,
  type DeclaredSubscription,
  type PathRule,
  type PathSubscription,
  ruleOf,
} from "../_app/routes.ts";
import type { Document, Path } from "./document.ts";
import { type ReadFolder, readFolder } from "./folder.ts";
import type { Warn } from "./manifest.ts";
import { flag, isRecord, list, needed, text } from "./read.ts";

export interface SubscriptionOptions {
  /** The app's id, which scopes go by. */
  readonly id: string;
  readonly host: Host;
  readonly compile: Compile;
  /** Told what is left out, with file and line. */
  readonly warn: Warn;
  /** Default: reads from the disk. */
  readonly read?: ReadFolder | undefined;
}

/**
 * What Dapr's `Subscription` resources in these folders subscribe an app to, of `v1alpha1` and `v2alpha1`. Of two for one
 * topic the first counts. Throws `ERR_CONFIGURATION` with file, line and field for the first thing that is wrong.
 */
export async function loadSubscriptions(
  paths: readonly string[],
  options: SubscriptionOptions,
): Promise<DeclaredSubscription[]> {
  const { read = readFolder } = options;
  const layers = [paths, paths.map((path) => join(path, options.host.target))];
  const named = new Map<string, Document>();
  for (const layer of layers) {
    const optional = layer !== paths;
    const documents = await Promise.all(layer.map((path) => read(path, { optional })));
    const seen = documents.flat().filter((document) => isSeen(document, options));
    const names = new Set<string>();
    for (const document of seen) {
      const name = nameOf(document, names);
      names.add(name);
      named.set(name, document);
    }
  }
  const found = await Promise.all([...named.values()].map((one) => subscriptionOf(one, options)));
  return firstOfTopic([...named.values()], found, options.warn);
}

function isSeen(document: Document, { id, host }: SubscriptionOptions): boolean {
  const content = document.content([]);
  if (!isRecord(content) || content.kind !== "Subscription") return false;
  const namespace = text(document, ["metadata", "namespace"]);
  const own = host.env.NAMESPACE;
  if (own && namespace && namespace !== own) return false;
  const scopes = list(document, ["scopes"]).map((_, at) => needed(document, ["scopes", at]));
  return scopes.length === 0 || scopes.includes(id);
}

function nameOf(document: Document, known: ReadonlySet<string>): string {
  const name = needed(document, NAME);
  if (!known.has(name)) return name;
  throw document.fault(NAME, `subscription ${name} is there twice`);
}

const versions = /^dapr\.io\/v[12]alpha1$/;

async function subscriptionOf(
  document: Document,
  options: SubscriptionOptions,
): Promise<DeclaredSubscription> {
  const name = `Subscription ${text(document, NAME)}`;
  try {
    const source = `${name} (${document.at(["spec"])})`;
    return { source, ...(await contentOf(document, options)) };
  } catch (cause) {
    throw configurationError(`${messageOf(cause)} (${name})`, { cause });
  }
}

async function contentOf(
  document: Document,
  { compile, warn }: SubscriptionOptions,
): Promise<PathSubscription> {
  const version = needed(document, ["apiVersion"]);
  if (!versions.test(version)) {
    const why = `a Subscription is dapr.io/v1alpha1 or dapr.io/v2alpha1, not ${version}`;
    throw document.fault(["apiVersion"], why);
  }
  const routed = version.endsWith("v2alpha1");
  warnOfUnknown(document, routed, warn);
  return {
    pubsub: needed(document, ["spec", "pubsubname"]),
    topic: needed(document, ["spec", "topic"]),
    rules: routed ? await rulesOf(document, compile) : [ruleTo(needed(document, ROUTE))],
    deadLetterTopic: text(document, ["spec", "deadLetterTopic"]) || undefined,
    metadata: metadataOf(document),
    bulk: bulkIn(document),
  };
}

const NAME: Path = ["metadata", "name"];
const ROUTE: Path = ["spec", "route"];
const ROUTES: Path = ["spec", "routes"];

function ruleTo(path: string): PathRule {
  return { match: "", matches: undefined, path };
}

async function rulesOf(document: Document, compile: Compile): Promise<PathRule[]> {
  const rules = await Promise.all(
    list(document, [...ROUTES, "rules"]).map(async (_, at) => {
      const place = [...ROUTES, "rules", at];
      const path = needed(document, [...place, "path"]);
      try {
        return await ruleOf(text(document, [...place, "match"]) ?? "", path, compile);
      } catch (cause) {
        throw document.fault([...place, "match"], messageOf(cause));
      }
    }),
  );
  const otherwise = text(document, [...ROUTES, "default"]);
  if (otherwise) rules.push(ruleTo(otherwise));
  if (rules.length === 0) throw document.fault(ROUTES, "there is neither a rule nor a default");
  return rules;
}

function metadataOf(document: Document): Record<string, string> {
  const path = ["spec", "metadata"];
  const content = document.content(path) ?? {};
  if (!isRecord(content)) throw document.fault(path, "this must be a mapping of text");
  const names = Object.keys(content);
  return Object.fromEntries(names.map((name) => [name, text(document, [...path, name]) ?? ""]));
}

const BULK = ["spec", "bulkSubscribe"];

function bulkIn(document: Document): Bulk | undefined {
  const whole = (field: string) => {
    const written = text(document, [...BULK, field]) ?? "0";
    if (/^\d{1,9}$/.test(written)) return Number(written);
    throw document.fault([...BULK, field], "this must be a whole number, and not negative");
  };
  const bulk = bulkOf(whole("maxMessagesCount"), whole("maxAwaitDurationMs"));
  return flag(document, [...BULK, "enabled"]) ? bulk : undefined;
}

const spec = ["pubsubname", "topic", "metadata", "deadLetterTopic", "bulkSubscribe"];

function warnOfUnknown(document: Document, routed: boolean, warn: Warn): void {
  const check = (path: Path, known: readonly string[]) => {
    const content = document.content(path);
    for (const field of Object.keys(isRecord(content) ? content : {})) {
      if (known.includes(field)) continue;
      const place = document.at([...path, field]);
      warn(`${place}: a Subscription has no field ${[...path, field].join(".")}: left out`);
    }
  };
  const other = routed ? "route" : "routes";
  if (document.content(["spec", other]) !== undefined) {
    const version = routed ? "v1alpha1" : "v2alpha1";
    throw document.fault(["spec", other], `only dapr.io/${version} has it`);
  }
  check([], ["apiVersion", "kind", "metadata", "spec", "scopes"]);
  check(["spec"], [...spec, routed ? "routes" : "route"]);
  check(ROUTES, ["rules", "default"]);
  for (const at of list(document, [...ROUTES, "rules"]).keys()) {
    check([...ROUTES, "rules", at], ["match", "path"]);
  }
  check(BULK, ["enabled", "maxMessagesCount", "maxAwaitDurationMs"]);
}

function firstOfTopic(
  documents: readonly Document[],
  all: readonly DeclaredSubscription[],
  warn: Warn,
): DeclaredSubscription[] {
  const known = new Set<string>();
  return all.filter(({ pubsub, topic }, at) => {
    const place = JSON.stringify([pubsub, topic]);
    if (!known.has(place)) return known.add(place);
    const where = (documents[at] as Document).at(["spec", "topic"]);
    warn(`${where}: another Subscription has topic ${topic} of ${pubsub} already: left out`);
    return false;
  });
}
