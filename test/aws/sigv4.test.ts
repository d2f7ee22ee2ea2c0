import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { expect, test } from "vitest";
import { createSigner } from "../../bindings/aws/_sigv4.ts";
import type { Hash } from "../../src/contracts/host.ts";
import { webHost } from "../../src/web.ts";
import { processHost } from "../../targets/_process/host.ts";
import { credentials } from "./_beds.ts";

const now = Date.UTC(2026, 10, 24, 9, 8, 7, 654);
const headers = {
  "content-type": "application/x-amz-json-1.0",
  "x-amz-target": "DynamoDB_20120810.GetItem",
};
const hashes: Record<string, Hash> = {
  node: processHost("node").hash,
  web: webHost("workers").hash,
};

for (const [name, hash] of Object.entries(hashes)) {
  for (const sessionToken of [undefined, "token//with+signs=="]) {
    for (const address of [
      "https://dynamodb.eu-central-1.amazonaws.com/",
      "http://127.0.0.1:8000/",
    ]) {
      test(`${name} signs ${address} ${sessionToken ? "with" : "without"} a session token as the AWS SDK does`, async () => {
        const url = new URL(address);
        const body = new TextEncoder().encode('{"TableName":"orders","Key":{"key":{"S":"üñí ✓"}}}');
        const scope = {
          service: "dynamodb",
          region: "eu-central-1",
          credentials: { ...credentials, sessionToken },
          url,
        };
        const sign = createSigner(scope, hash);
        expect(await sign(headers, body, now)).toEqual(
          await signedBySdk(url, body, sessionToken, now),
        );
        // The same signer on another day, when its key of the first has ended, and back on the first.
        const later = now + 24 * 60 * 60 * 1000;
        expect(await sign(headers, body, later)).toEqual(
          await signedBySdk(url, body, sessionToken, later),
        );
        expect(await sign(headers, body, now)).toEqual(
          await signedBySdk(url, body, sessionToken, now),
        );
      });
    }
  }
}

async function signedBySdk(
  url: URL,
  body: Uint8Array,
  sessionToken: string | undefined,
  at: number,
) {
  const signer = new SignatureV4({
    service: "dynamodb",
    region: "eu-central-1",
    credentials: {
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      sessionToken,
    },
    sha256: Sha256 as never,
    applyChecksum: false,
  });
  const port = url.port ? Number(url.port) : undefined;
  const request = {
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    port,
    path: "/",
    query: {},
    headers: { ...headers, host: url.host },
    body,
  };
  const signed = await signer.sign(request, { signingDate: new Date(at) });
  const { host: _, ...sent } = signed.headers;
  return sent;
}

/** The hash in the form that the SDK's signer wants. */
class Sha256 {
  private readonly hash;

  constructor(secret?: Uint8Array | string) {
    this.hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret);
  }

  update(data: Uint8Array | string): void {
    this.hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.hash.digest());
  }
}
