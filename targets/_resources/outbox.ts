import type { EventSettings } from "../../src/blocks/outbox/events.ts";
import type { Entry, Manifest } from "./manifest.ts";
import type { Sources } from "./values.ts";
import { textOf } from "./values.ts";

/** Dapr's settings of a state store's outbox, in lower case. The last two rule what its internal topic does; here is none. */
const names = [
  "outboxpublishpubsub",
  "outboxpublishtopic",
  "outboxpubsub",
  "outboxdiscardwhenmissingstate",
];

export function isOfOutbox({ name }: Entry): boolean {
  return names.includes(name.toLowerCase());
}

/** Where a store's transactions publish to; undefined where they do not. */
export async function eventSettingsOf(
  manifest: Manifest,
  entries: readonly Entry[],
  sources: Sources,
): Promise<EventSettings | undefined> {
  const [first] = entries;
  if (!first) return undefined;
  const read = async (wanted: string, at: number) => {
    const entry = entries.find(({ name }) => name.toLowerCase() === names[at]);
    const text = entry && (await textOf(manifest, entry, sources));
    if (text) return text;
    throw manifest.document.fault((entry ?? first).path, `an outbox needs ${wanted}`);
  };
  return {
    pubsub: await read("outboxPublishPubsub", 0),
    topic: await read("outboxPublishTopic", 1),
  };
}
