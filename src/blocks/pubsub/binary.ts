import { dataOf, toText } from "./envelope.ts";
import { mediaType } from "./media.ts";
import { payloadOf } from "./publish.ts";

const PREFIX = "ce_";

/**
 * The event, as JSON, of a message in CloudEvents' binary mode: `headers` with `ce_` before their names are its attributes,
 * and `bytes` its data, of the type that `content-type` says. Undefined for any other message.
 */
export function binaryEvent(
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  const attributes: Record<string, string> = {};
  // As in Dapr, where a message does not say.
  let datacontenttype = "application/json";
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase();
    if (key.startsWith(PREFIX)) attributes[key.slice(PREFIX.length)] = value;
    else if (key === "content-type") datacontenttype = value;
  }
  const isWhole = mediaType(datacontenttype).startsWith("application/cloudevents");
  if (attributes.specversion === undefined || isWhole) return undefined;
  const head = toText({ ...attributes, datacontenttype });
  return `${head.slice(0, -1)},${dataOf(payloadOf(bytes, datacontenttype))}}`;
}
