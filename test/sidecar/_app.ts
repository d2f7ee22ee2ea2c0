import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { componentYaml, type SidecarOptions, startSidecar } from "../harness/sidecar.ts";

/** A request that the app got. */
export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
}

export type Handle = (got: Got) => Answer | undefined | Promise<Answer | undefined>;

export interface TestApp {
  readonly port: number;
  /** Every request but those for what the app wants. */
  readonly got: readonly Got[];
  /** Those for `/dapr/config`, `/dapr/subscribe` and `/healthz`. */
  readonly asked: readonly Got[];
  handle: Handle;
  /** What `/dapr/subscribe` answers: a string as it is. */
  subscriptions: unknown;
  healthy: boolean;
  /** Most requests at a time. */
  most: number;
  close(): Promise<void>;
}

const apps = new Set<Server>();

/** An app that records what it is sent, on a free port or on one. */
export async function startApp(
  subscriptions: unknown,
  handle: Handle = () => undefined,
  port = 0,
  tls?: { readonly cert: string; readonly key: string },
): Promise<TestApp> {
  const got: Got[] = [];
  const asked: Got[] = [];
  let present = 0;
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      app.most = Math.max(app.most, ++present);
      const { method = "", url: path = "", headers } = request;
      const one = { method, path, headers, body: Buffer.concat(chunks).toString() };
      const own = /^\/(dapr\/|healthz)/.test(path);
      (own ? asked : got).push(one);
      const { status = 200, body = "" } = (await (own ? answer(path) : app.handle(one))) ?? {};
      present--;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  };
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  apps.add(server);
  server.listen(port, "127.0.0.1");
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve).once("error", reject);
  });
  const app: TestApp = {
    port: (server.address() as AddressInfo).port,
    got,
    asked,
    handle,
    subscriptions,
    healthy: true,
    most: 0,
    close: () => closed(server),
  };
  return app;

  async function answer(path: string): Promise<Answer> {
    if (path === "/healthz") return { status: app.healthy ? 200 : 500 };
    if (path === "/dapr/subscribe") return { body: await app.subscriptions };
    return { status: 404 };
  }
}

function closed(server: Server): Promise<void> {
  apps.delete(server);
  server.closeAllConnections();
  return new Promise((resolve) => void server.close(() => resolve()));
}

export async function closeApps(): Promise<void> {
  await Promise.all([...apps].map(closed));
}

export const memoryBus = componentYaml("bus", "pubsub.in-memory");

/** A sidecar with a pub/sub component `bus` in memory, for an app. */
export function startFor(app: Pick<TestApp, "port">, options: SidecarOptions = {}) {
  const { flags = [], resources } = options;
  return startSidecar({
    ...options,
    flags: ["--app-port", String(app.port), ...flags],
    resources: { "bus.yaml": memoryBus, ...resources },
  });
}

/** Publishes through a sidecar's API; resolves to the status. */
export async function publish(
  { url }: { readonly url: string },
  path: string,
  body: unknown,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<number> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${url}/v1.0/publish/${path}`, {
    method: "POST",
    headers,
    body: text,
  });
  return response.status;
}
