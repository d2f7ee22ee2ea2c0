import type { Hash } from "../../src/contracts/host.ts";

export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | undefined;
}

export interface Scope {
  readonly service: string;
  readonly region: string;
  readonly credentials: Credentials;
  /** Every request goes to this URL. */
  readonly url: URL;
}

/** `headers` in lower case. Resolves to all that must be sent, without `host`, which the sender adds. */
export type Sign = (
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  now: number,
) => Promise<Record<string, string>>;

type Bytes = Uint8Array;

const encoder = new TextEncoder();

/** Signs POST requests with AWS Signature Version 4. */
export function createSigner({ service, region, credentials, url }: Scope, hash: Hash): Sign {
  const { accessKey, secretKey, sessionToken } = credentials;
  const path = url.pathname.split("/").map(encodeURIComponent).join("/");
  let second = 0;
  let stamp = "";
  let day = "";
  let key: Bytes | undefined;

  return async (headers, body, now) => {
    const time = stampOf(now);
    const today = time.slice(0, 8);
    if (today !== day || key === undefined) {
      key = await signingKey(today);
      day = today;
    }
    const signing = key;
    const sent: Record<string, string> = { ...headers, "x-amz-date": time };
    if (sessionToken) sent["x-amz-security-token"] = sessionToken;
    const names = [...Object.keys(sent), "host"].sort();
    let canonical = `POST\n${path}\n\n`;
    for (const name of names) canonical += `${name}:${name === "host" ? url.host : sent[name]}\n`;
    const signed = names.join(";");
    canonical += `\n${signed}\n${hex(await hash.sha256(body))}`;
    const scope = `${today}/${region}/${service}/aws4_request`;
    const digest = hex(await hash.sha256(encoder.encode(canonical)));
    const signature = await hash.hmac(
      signing,
      encoder.encode(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`),
    );
    sent.authorization = `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${signed}, Signature=${hex(signature)}`;
    return sent;
  };

  function stampOf(now: number): string {
    const current = Math.floor(now / 1000);
    if (current !== second) {
      second = current;
      stamp = new Date(current * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
    }
    return stamp;
  }

  async function signingKey(today: string): Promise<Bytes> {
    let derived: Bytes = encoder.encode(`AWS4${secretKey}`);
    for (const part of [today, region, service, "aws4_request"]) {
      derived = await hash.hmac(derived, encoder.encode(part));
    }
    return derived;
  }
}

const pairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hex(bytes: Bytes): string {
  let text = "";
  for (const byte of bytes) text += pairs[byte];
  return text;
}
