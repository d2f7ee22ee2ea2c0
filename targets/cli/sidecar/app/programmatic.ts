import { memberOf } from "../../../_app/answers.ts";
import {
  type Bulk,
  bulkOf,
  type Compile,
  type PathRule,
  type PathSubscription,
  ruleOf,
} from "../../../_app/routes.ts";

/**
 * What an app answers at `/dapr/subscribe`. Throws for an answer that is none, and `ERR_CONFIGURATION` for a rule that does
 * not compile. What leads nowhere is left out, of which `warn` is told.
 */
export async function parseSubscriptions(
  body: Buffer,
  compile: Compile,
  warn: (text: string) => void,
): Promise<PathSubscription[]> {
  const items = itemsOf(body);
  const all = await Promise.all(items.map((item) => subscriptionOf(item, compile)));
  const known = new Set<string>();
  return all.filter((subscription) => {
    const { pubsub, topic } = subscription;
    const why = faultOf(subscription, known);
    known.add(JSON.stringify([pubsub, topic]));
    if (why) warn(`a subscription of the app to topic ${JSON.stringify(topic)} ${why}: left out`);
    return why === undefined;
  });
}

function faultOf(
  { pubsub, topic, rules }: PathSubscription,
  known: ReadonlySet<string>,
): string | undefined {
  if (pubsub === "" || topic === "") return "names no pubsub or no topic";
  if (rules.length === 0) return "has no route";
  return known.has(JSON.stringify([pubsub, topic])) ? "is not its first one" : undefined;
}

function itemsOf(body: Buffer): readonly unknown[] {
  const text = body.toString().trim();
  if (text === "" || text === "null") return [];
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch {
    throw new Error("it is no JSON");
  }
  if (Array.isArray(items)) return items;
  throw new Error("it is no array");
}

async function subscriptionOf(item: unknown, compile: Compile): Promise<PathSubscription> {
  object(item, "a subscription");
  const routes = memberOf(item, "routes");
  return {
    pubsub: text(item, "pubsubname"),
    topic: text(item, "topic"),
    rules: await rulesOf(routes, text(item, "route"), compile),
    deadLetterTopic: text(item, "deadlettertopic") || undefined,
    metadata: metadataOf(item),
    bulk: bulkIn(memberOf(item, "bulksubscribe")),
  };
}

async function rulesOf(routes: unknown, route: string, compile: Compile): Promise<PathRule[]> {
  object(routes ?? {}, "routes");
  const rules = memberOf(routes, "rules") ?? [];
  if (!Array.isArray(rules)) throw new Error("its rules are no array");
  const found = await Promise.all(
    rules.map((rule) => {
      object(rule, "a rule");
      return ruleOf(text(rule, "match"), text(rule, "path"), compile);
    }),
  );
  const otherwise = text(routes, "default") || route;
  return otherwise ? [...found, { match: "", matches: undefined, path: otherwise }] : found;
}

function metadataOf(item: unknown): Record<string, string> {
  const metadata = memberOf(item, "metadata") ?? {};
  object(metadata, "metadata");
  const names = Object.keys(metadata);
  if (names.every((name) => typeof metadata[name] === "string")) {
    return metadata as Record<string, string>;
  }
  throw new Error("its metadata must hold text");
}

function bulkIn(bulk: unknown): Bulk | undefined {
  object(bulk ?? {}, "bulkSubscribe");
  if (memberOf(bulk, "enabled") !== true) return undefined;
  return bulkOf(whole(bulk, "maxmessagescount"), whole(bulk, "maxawaitdurationms"));
}

function object(value: unknown, what: string): asserts value is Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw new Error(`${what} must be an object`);
}

function text(item: unknown, name: string): string {
  const value = memberOf(item, name) ?? "";
  if (typeof value === "string") return value;
  throw new Error(`its ${name} must be text`);
}

function whole(item: unknown, name: string): number {
  const value = memberOf(item, name) ?? 0;
  if (Number.isInteger(value) && (value as number) >= 0) return value as number;
  throw new Error(`its ${name} must be a whole number, and not negative`);
}
