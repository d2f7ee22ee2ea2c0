import type { Match } from "../../src/blocks/pubsub/api.ts";

/** A subscription of an app that is called over HTTP, wherever it was declared. */
export interface PathSubscription {
  readonly pubsub: string;
  readonly topic: string;
  /** In the order in which they are tried. */
  readonly rules: readonly PathRule[];
  readonly deadLetterTopic: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Messages go to the app several at a time. */
  readonly bulk: Bulk | undefined;
}

/** One that stands in a resource. */
export interface DeclaredSubscription extends PathSubscription {
  /** Kind, name, file and line. */
  readonly source: string;
}

export interface PathRule {
  /** In CEL; empty for every event. */
  readonly match: string;
  /** Absent where every event does. */
  readonly matches: Match | undefined;
  readonly path: string;
}

export interface Bulk {
  readonly maxMessages: number;
  /** For how long the first message waits for more. */
  readonly maxWaitMs: number;
}

/** Makes a match of a rule's text. Throws `ERR_CONFIGURATION` with the text and the column for one that is wrong. */
export type Compile = (rule: string) => Match | Promise<Match>;

/** Dapr's defaults. */
const MAX_MESSAGES = 100;
const MAX_WAIT_MS = 1000;

/** 0 stands for the default, as in Dapr. */
export function bulkOf(maxMessages: number | undefined, maxWaitMs: number | undefined): Bulk {
  return { maxMessages: maxMessages || MAX_MESSAGES, maxWaitMs: maxWaitMs || MAX_WAIT_MS };
}

/** Whether two are one subscription. */
export function isSame(one: Place, other: Place): boolean {
  return one.pubsub === other.pubsub && one.topic === other.topic;
}

type Place = Pick<PathSubscription, "pubsub" | "topic">;

export async function ruleOf(match: string, path: string, compile: Compile): Promise<PathRule> {
  const text = match.trim();
  return { match: text, matches: text === "" ? undefined : await compile(text), path };
}
