import type { Server } from "node:http";
import { messageOf } from "../../../src/errors.ts";
import type { PillionEvent } from "../../../src/events.ts";
import { type Api, runtimeApi } from "../../../src/http/index.ts";
import { createRuntime, type Runtime } from "../../../src/runtime.ts";
import { compile } from "../../_app/rules.ts";
import { processHost } from "../../_process/host.ts";
import { type Channel, createChannel, type Known } from "./app/channel.ts";
import { connectAll } from "./connect.ts";
import type { Configuration } from "./defaults.ts";
import { listenAll } from "./endpoints.ts";
import { blockEnd, type Ends, endGracefully, listenForEnds } from "./ends.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Options } from "./options.ts";
import { appListens, createReadiness, type Readiness } from "./readiness.ts";
import { type Declared, readSettings } from "./settings.ts";

/** Runs a sidecar until it is asked to end; resolves to the process's exit code. What stops it from starting is logged. */
export async function run(options: Options, log: Log): Promise<number> {
  const ends = listenForEnds(log);
  const servers: Server[] = [];
  let runtime: Runtime | undefined;
  try {
    const started = await start(options, log, ends, { servers, opened: (it) => (runtime = it) });
    const { api, channel } = started;
    await Promise.race([asked(ends.asked), started.failed]);
    await blockEnd(options, log, channel?.unhealthy());
    started.readiness.waitFor("shutdown");
    const ending = { servers, runtime: started.runtime, settled: api.close, stop: channel?.stop };
    await endGracefully(ending, options, log);
    return 0;
  } catch (error) {
    for (const server of servers) server.close();
    await runtime?.close(0);
    if (ends.asked.aborted) return 0;
    log.write("fatal", `the sidecar cannot start: ${messageOf(error)}`);
    return 1;
  }
}

interface Opened {
  /** Filled with what listens, also where the start then fails. */
  readonly servers: Server[];
  readonly opened: (runtime: Runtime) => void;
}

interface Started {
  readonly runtime: Runtime;
  readonly api: Api;
  readonly readiness: Readiness;
  readonly channel: Channel | undefined;
  /** Rejects with what makes the sidecar useless after all. */
  readonly failed: Promise<never>;
}

async function start(options: Options, log: Log, ends: Ends, into: Opened): Promise<Started> {
  const host = processHost("node", { env: process.env });
  const settings = await readSettings(options, host, log);
  const { configuration, components } = settings;
  const metrics = createMetrics(options.id, process.env.NAMESPACE ?? "");
  const onEvent = listener(log, metrics);
  const runtime = createRuntime({ id: options.id, components, host, onEvent });
  into.opened(runtime);
  const readiness = createReadiness(["components", "api", ...(options.app ? ["app"] : [])]);
  const channel = channelOf(options, settings, runtime, log);
  const api = createApi(runtime, options, { configuration, readiness, ends, channel });
  const outcome = Promise.all([
    listenAll(
      options,
      { api, configuration, metrics, ending: () => ends.asked.aborted, log },
      into.servers,
    ).then(() => readiness.done("api")),
    connectAll(runtime, components, { log, metrics }).then(() => readiness.done("components")),
  ]);
  await Promise.race([outcome, asked(ends.asked)]);
  const failed = new Promise<never>((_, reject) => {
    if (!ends.asked.aborted) becomeReady(options, channel, readiness, ends, log).catch(reject);
  });
  return { runtime, api, readiness, channel, failed };
}

/** Undefined where there is no app, or none that events can be brought to. */
function channelOf(
  { id, app }: Options,
  { subscriptions }: Declared,
  runtime: Runtime,
  log: Log,
): Channel | undefined {
  if (!app) return undefined;
  if (!/^https?$/.test(app.protocol)) {
    const text = `--app-protocol ${app.protocol} is not built yet: the app gets no events, use http`;
    log.write("warning", text);
    return undefined;
  }
  const token = process.env.APP_API_TOKEN || undefined;
  return createChannel({ id, app, runtime, declared: subscriptions, compile, log, token });
}

function createApi(
  runtime: Runtime,
  { allowedOrigins, maxBodySize, app }: Options,
  parts: {
    readonly configuration: Configuration;
    readonly readiness: Readiness;
    readonly ends: Ends;
    readonly channel: Channel | undefined;
  },
): Api {
  const { configuration, readiness, ends, channel } = parts;
  const { allowed, denied } = configuration;
  return runtimeApi(runtime, {
    allowed,
    denied,
    allowedOrigins: allowedOrigins.split(",").filter(Boolean),
    maxBodySize: Number.isFinite(maxBodySize) ? maxBodySize : 0,
    process: {
      waitingFor: readiness.waitingFor,
      outboundReady: () => !readiness.waitingFor().includes("components"),
      shutdown: (force) => ends.ask("Shutdown was requested over the API", force),
      subscriptions: () => channel?.subscriptions().map(shown) ?? [],
      app: app && {
        port: app.port,
        protocol: app.protocol,
        channelAddress: app.address,
        maxConcurrency: app.maxConcurrency,
        health: app.health && {
          healthCheckPath: app.health.path,
          healthProbeInterval: `${app.health.intervalMs / 1000}s`,
          healthProbeTimeout: `${app.health.timeoutMs}ms`,
          healthThreshold: app.health.threshold,
        },
      },
    },
  });
}

function shown({ pubsub, topic, metadata, rules, deadLetterTopic = "", type }: Known) {
  return {
    pubsubname: pubsub,
    topic,
    metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
    rules: rules.map(({ match, path }) => ({ match: match || undefined, path })),
    deadLetterTopic,
    type,
  };
}

/** As daprd does, the sidecar counts as ready only once the app has what it asks for. It serves before that. */
async function becomeReady(
  { app }: Options,
  channel: Channel | undefined,
  readiness: Readiness,
  { asked }: Ends,
  log: Log,
): Promise<void> {
  if (app) {
    const { port, protocol } = app;
    log.write("info", `application protocol: ${protocol}. waiting on port ${port}`);
    const found = await appListens(app, asked).then(
      () => true,
      () => false,
    );
    if (!found) return;
    log.write("info", `application discovered on port ${port}`);
    await channel?.start();
    readiness.done("app");
  }
  const elapsed = Math.round(process.uptime() * 1000);
  log.write("info", `dapr initialized. Status: Running. Init Elapsed ${elapsed}ms`);
}

function listener(log: Log, { heard }: Metrics): (event: PillionEvent) => void {
  return (event) => {
    heard(event);
    if (event.type === "pubsub.delivery") {
      tellDelivery(event, log);
    } else if (event.type === "component.closed" && event.error) {
      log.write("warning", `component ${event.component} did not close: ${event.error.message}`);
    } else if (event.type === "handler.failed" || event.type === "waituntil.failed") {
      log.write("error", `a request failed in a way that nobody foresaw: ${traceOf(event.error)}`);
    }
  };
}

type DeliveryEvent = Extract<PillionEvent, { readonly type: "pubsub.delivery" }>;

/** What went wrong with a message. What the app itself says of one is told where it says it. */
function tellDelivery(
  { topic, attempt, outcome, error, component }: DeliveryEvent,
  log: Log,
): void {
  if (error === undefined && outcome !== "expired") return;
  const why = error === undefined ? "" : `: ${messageOf(error)}`;
  const text = `a message of topic ${topic} of ${component} was ${outcome} (delivery ${attempt})${why}`;
  log.write("warning", text);
}

/** Where an error came from, without its message, which may quote a value. */
function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return [error.name, ...frames.slice(0, 5).map((frame) => frame.trim())].join(" ");
}

function asked(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
