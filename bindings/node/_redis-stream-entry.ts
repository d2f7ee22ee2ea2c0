import { isUtf8 } from "node:buffer";
import type { IncomingMessage, OutgoingMessage } from "../../src/contracts/pubsub.ts";
import type { Entry } from "./_redis-stream-group.ts";

/** The fields of a message as Dapr writes them: `metadata` is there only if there is some. */
export function toFields({ data, metadata }: OutgoingMessage): (string | Buffer)[] {
  const fields = ["data", typeof data === "string" ? data : Buffer.from(data)];
  for (const _ in metadata) return [...fields, "metadata", JSON.stringify(metadata)];
  return fields;
}

/** As Dapr reads one: without `data` it is empty, and metadata that is none is left out. */
export function toMessage(topic: string, { id, attempt, fields }: Entry): IncomingMessage {
  let data: Buffer = Buffer.alloc(0);
  let metadata: Readonly<Record<string, string>> = {};
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = [String(fields[at]), fields[at + 1] as Buffer];
    if (name === "data") data = value;
    else if (name === "metadata") metadata = metadataOf(String(value));
  }
  return { id, topic, data: isUtf8(data) ? data.toString() : data, metadata, attempt };
}

function metadataOf(text: string): Record<string, string> {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null || Array.isArray(found)) return {};
    return Object.fromEntries(
      Object.entries(found).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
    );
  } catch {
    return {};
  }
}
