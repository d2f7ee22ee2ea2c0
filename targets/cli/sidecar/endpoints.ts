import type { Server } from "node:http";
import { join } from "node:path";
import type { Api } from "../../../src/http/index.ts";
import type { ApiLogging, Configuration } from "./defaults.ts";
import type { ListenerOptions, Served } from "./listener.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Endpoint, Options } from "./options.ts";
import { publicPart } from "./public.ts";
import { logRequests } from "./requests.ts";
import { type Listening, listen, listenOnSocket, makeServer } from "./server.ts";

const { createServer } = process.getBuiltinModule("node:http");

export interface Parts {
  readonly api: Api;
  readonly configuration: Configuration;
  readonly metrics: Metrics;
  readonly ending: () => boolean;
  readonly log: Log;
}

/** Listens everywhere that the flags say, and puts what listens into `servers`. Throws for the first that cannot. */
export async function listenAll(options: Options, parts: Parts, servers: Server[]): Promise<void> {
  const { log } = parts;
  const begun = [
    listenForApi(options, parts),
    listenForPublic(options, parts),
    listenForMetrics(options, parts),
    listenForProfiles(options),
  ];
  const outcomes = await Promise.allSettled(begun);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled" && outcome.value) servers.push(...outcome.value.servers);
  }
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed) throw (failed as PromiseRejectedResult).reason;
  const names = ["HTTP server", "public HTTP server", "metrics server", "HTTP profiling server"];
  outcomes.forEach((outcome, at) => {
    const { addresses = [] } =
      (outcome as PromiseFulfilledResult<Listening | undefined>).value ?? {};
    const kind = at === 0 && options.socketFolder ? "UNIX socket" : "TCP address";
    for (const address of addresses) {
      log.write("info", `${names[at]} listening on ${kind}: ${address}`);
    }
  });
}

function listenForApi(options: Options, parts: Parts): Promise<Listening> {
  const { api, socketFolder, id } = options;
  const make = () => makeServer(listenerOptions(options, parts, parts.api.handle));
  if (!socketFolder) return listen(api, make);
  return listenOnSocket(join(socketFolder, `dapr-${id}-http.socket`), make);
}

async function listenForPublic(options: Options, parts: Parts): Promise<Listening | undefined> {
  if (!options.publicApi) return undefined;
  const handle = publicPart(parts.api.handle, process.env.DAPR_API_TOKEN || undefined);
  return listen(options.publicApi, () => makeServer(listenerOptions(options, parts, handle)));
}

function listenerOptions(options: Options, parts: Parts, handle: ListenerOptions["handle"]) {
  const { log, ending } = parts;
  return {
    handle,
    ending,
    headSize: options.headSize,
    maxBodySize: options.maxBodySize,
    onServed: observer(options, parts),
    onError: () => log.write("error", "a request could not be handled"),
  };
}

/** Undefined where nobody wants to know. */
function observer(options: Options, { configuration, metrics, log }: Parts) {
  const apiLogging: ApiLogging = {
    ...configuration.apiLogging,
    ...(options.apiLogging !== undefined && { enabled: options.apiLogging }),
  };
  const observers: ((served: Served) => void)[] = [];
  if (metricsEndpoint(options, configuration)) observers.push(metrics.served);
  if (apiLogging.enabled) observers.push(logRequests(log, apiLogging));
  const [first, second] = observers;
  if (!first || !second) return first;
  return (served: Served) => {
    first(served);
    second(served);
  };
}

function metricsEndpoint(options: Options, { metrics }: Configuration): Endpoint | undefined {
  return metrics ? options.metrics : undefined;
}

async function listenForMetrics(options: Options, { metrics, configuration }: Parts) {
  const endpoint = metricsEndpoint(options, configuration);
  if (!endpoint) return undefined;
  return listen(endpoint, () =>
    createServer((request, response) => {
      const found = request.method === "GET" && /^\/metrics\/?(\?|$)/.test(request.url ?? "");
      const type = found ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain; charset=utf-8";
      const text = found ? metrics.text() : "there is /metrics\n";
      response.writeHead(found ? 200 : 404, { "content-type": type }).end(text);
    }),
  );
}

async function listenForProfiles({ profiles }: Options): Promise<Listening | undefined> {
  if (!profiles) return undefined;
  const { profile } = await import("./profiles.ts");
  return listen(profiles, () =>
    createServer((request, response) => {
      profile(request, response).catch(() => response.destroy());
    }),
  );
}
