import type { Trace } from "../../src/contracts/host.ts";

/** What no broker's metadata decides. */
const reserved = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "dapr-api-token",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Headers of a delivery: what the broker carried beside the message, and the trace that the message belongs to. */
export function headersOf(
  contentType: string,
  pubsub: string,
  metadata: Readonly<Record<string, string>>,
  trace: Trace,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    const key = name.toLowerCase();
    if (/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(key) && !reserved.has(key))
      headers[key] = inOneLine(value);
  }
  headers.pubsubname = inOneLine(pubsub);
  headers["content-type"] = contentType;
  for (const [name, value] of Object.entries(trace)) headers[name] = inOneLine(value);
  return headers;
}

/** UTF-8 bytes, each as one character: what Node writes into a header as it is. A line break is a blank, as in Go. */
function inOneLine(text: string): string {
  return Buffer.from(text)
    .toString("latin1")
    .replace(/[^\t\x20-\x7e\x80-\xff]/g, " ");
}
