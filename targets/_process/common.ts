import type { IncomingMessage, RequestOptions } from "node:http";
import type {
  Call,
  Hash,
  Host,
  ServiceRequest,
  ServiceResponse,
  Target,
} from "../../src/contracts/host.ts";
import { webHost } from "../../src/web.ts";

// `import "node:http"` runs every lazy getter of the module and with them all of undici: 35 ms of cold
// start, against 3 ms for the module alone.
const http = process.getBuiltinModule("node:http");

/** What Node lends to components, in a process and in Lambda alike. */
export function commonHost(target: Target, ports: Partial<Host> = {}): Host {
  return webHost(target, { env: process.env, hash, send: createSend(), ...ports });
}

const hash: Hash = {
  sha256: (data) =>
    process.getBuiltinModule("node:crypto").createHash("sha256").update(data).digest(),
  hmac: (key, data) =>
    process.getBuiltinModule("node:crypto").createHmac("sha256", key).update(data).digest(),
};

/** Requests over kept-alive sockets of its own: the global `fetch` costs four times the CPU. */
function createSend(): Host["send"] {
  const plain = new http.Agent({ keepAlive: true });
  let secure: import("node:https").Agent | undefined;
  return (request, call) => {
    const url = new URL(request.url);
    if (url.protocol === "http:") return exchange(http.request, plain, url, request, call);
    const https = process.getBuiltinModule("node:https");
    secure ??= new https.Agent({ keepAlive: true });
    return exchange(https.request, secure, url, request, call);
  };
}

function exchange(
  start: typeof http.request,
  agent: RequestOptions["agent"],
  url: URL,
  { method, headers, body }: ServiceRequest,
  { signal }: Call,
): Promise<ServiceResponse> {
  return new Promise((resolve, reject) => {
    const request = start(url, { method, headers, agent, signal }, (response) => {
      collect(response).then(resolve, reject);
    });
    request.on("error", (error) => reject(signal?.aborted ? signal.reason : error));
    request.end(body);
  });
}

function collect(response: IncomingMessage): Promise<ServiceResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      resolve({ status: response.statusCode ?? 0, headers, body });
    });
  });
}
