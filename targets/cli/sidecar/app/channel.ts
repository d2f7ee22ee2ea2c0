import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, messageOf } from "../../../../src/errors.ts";
import type { Runtime } from "../../../../src/runtime.ts";
import type { AppAnswer, AppClient } from "../../../_app/client.ts";
import { type Compile, isSame, type PathSubscription } from "../../../_app/routes.ts";
import type { Log } from "../log.ts";
import type { AppOptions } from "../options.ts";
import { createClient } from "./client.ts";
import { createDeliveries } from "./deliveries.ts";
import { watchHealth } from "./health.ts";
import { parseSubscriptions } from "./programmatic.ts";

export interface ChannelOptions {
  readonly id: string;
  readonly app: AppOptions;
  readonly runtime: Runtime;
  /** What resources subscribe the app to. */
  readonly declared: readonly PathSubscription[];
  readonly compile: Compile;
  readonly log: Log;
  /** Sent to the app with every call. */
  readonly token: string | undefined;
}

/** A subscription with where it was found, as Dapr's metadata has it. */
export type Known = PathSubscription & { readonly type: "DECLARATIVE" | "PROGRAMMATIC" };

/** What a sidecar does with its app. */
export interface Channel {
  /**
   * Asks the app what it wants, once it listens, and resolves when all of that is live; with a health check, at once.
   * Throws `ERR_CONFIGURATION` for a rule that does not compile.
   */
  start(): Promise<void>;
  /** What the app is subscribed to. */
  subscriptions(): readonly Known[];
  /** Resolves when the app is found unhealthy. */
  unhealthy(): Promise<void>;
  /** Takes no new message, and resolves once those in hand are done, at the latest after `limitMs`. */
  stop(limitMs: number): Promise<void>;
}

/** Waits between the tries of a call that an app that has just begun to listen may not answer; there are three. */
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 2000;
/** An app may take as long as it likes, as with Dapr; whoever waits for its sidecar is told. */
const SLOW_MS = 5000;
/** How long an app that has become unhealthy may take over what it has in hand. */
const DRAIN_MS = 30_000;

export function createChannel(options: ChannelOptions): Channel {
  const { app, log, runtime, declared, token } = options;
  const ended = new AbortController();
  const client = createClient({ ...app, secure: app.protocol === "https", token });
  const deliveries = createDeliveries(runtime, { client, log, limit: app.maxConcurrency });
  let known: readonly Known[] = declared.map((one) => ({ ...one, type: "DECLARATIVE" }));
  /** Changes of health come one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  let sick = () => {};
  return {
    async start() {
      const { health } = app;
      if (!health) return begin();
      const probe = () => client.isHealthy(health.path, health.timeoutMs);
      void watchHealth(health, probe, changed, ended.signal);
    },
    subscriptions: () => known,
    unhealthy: () => new Promise((resolve) => (sick = resolve)),
    async stop(limitMs) {
      ended.abort();
      const whole = await deliveries.stop(limitMs);
      if (!whole) log.write("warning", "deliveries that were still under way have been cut off");
      client.close();
    },
  };

  function changed(healthy: boolean): void {
    if (healthy) log.write("info", "App entered healthy status");
    else log.write("warning", "App entered un-healthy status");
    if (!healthy) sick();
    const turn: () => Promise<unknown> = healthy ? begin : () => deliveries.stop(DRAIN_MS);
    last = last.then(turn).catch((error) => log.write("error", messageOf(error)));
  }

  async function begin(): Promise<void> {
    if (ended.signal.aborted) return;
    await readConfig(options, client, ended.signal);
    const found = await readSubscriptions(options, client, ended.signal);
    const programmatic = found.map((one) => ({ ...one, type: "PROGRAMMATIC" }) as const);
    known = [
      ...programmatic,
      ...declared
        .filter((one) => !found.some((other) => isSame(one, other)))
        .map((one) => ({ ...one, type: "DECLARATIVE" }) as const),
    ];
    if (ended.signal.aborted) return;
    await deliveries.start(known);
    tell(known, log);
  }
}

function tell(known: readonly Known[], log: Log): void {
  for (const pubsub of new Set(known.map((one) => one.pubsub))) {
    const topics = known.filter((one) => one.pubsub === pubsub).map(({ topic }) => topic);
    const text = `app is subscribed to the following topics: [${topics.join(" ")}]`;
    log.write("info", `${text} through pubsub=${pubsub}`);
  }
}

/**
 * Nothing of it is used: all that daprd takes from it (entities, actorIdleTimeout, drainOngoingCallTimeout, reentrancy, …)
 * is for actors, which are not built. An app may wait for the call all the same, and its mistakes are told.
 */
async function readConfig(
  options: ChannelOptions,
  client: AppClient,
  signal: AbortSignal,
): Promise<void> {
  if (options.app.skipped.includes("config")) return;
  const answer = await ask(options, client, "/dapr/config", signal);
  if (answer?.status !== 200) return;
  try {
    JSON.parse(answer.body.toString() || "{}");
  } catch {
    options.log.write("error", "the app's answer to /dapr/config is no JSON");
  }
}

async function readSubscriptions(
  options: ChannelOptions,
  client: AppClient,
  signal: AbortSignal,
): Promise<PathSubscription[]> {
  const { app, log, runtime, compile } = options;
  const components = Object.values(runtime.options.components ?? {});
  if (!components.some(({ type }) => type.startsWith("pubsub."))) return [];
  if (app.skipped.includes("subscribe")) return [];
  const answer = await ask(options, client, "/dapr/subscribe", signal);
  if (!answer || answer.status === 404) return [];
  if (answer.status !== 200) {
    const text = `app returned http status code ${answer.status} from subscription endpoint`;
    log.write("error", text);
    return [];
  }
  try {
    const warn = (text: string) => log.write("warning", text);
    return await parseSubscriptions(answer.body, compile, warn);
  } catch (error) {
    if (ApiError.is(error, "ERR_CONFIGURATION")) throw error;
    log.write("error", `error getting topics from app: /dapr/subscribe: ${messageOf(error)}`);
    return [];
  }
}

/** Undefined where no answer came in a few tries. */
async function ask(
  { id, log }: ChannelOptions,
  client: AppClient,
  path: string,
  signal: AbortSignal,
): Promise<AppAnswer | undefined> {
  const headers = { "dapr-app-id": id, "content-type": "application/json" };
  const slow = setTimeout(
    () => log.write("warning", `the app does not answer ${path} yet`),
    SLOW_MS,
  );
  try {
    for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
      const answer = client.call({ method: "GET", path, headers }, signal);
      const found = await answer.catch((error: unknown) => error as Error);
      if (!(found instanceof Error)) return found;
      if (signal.aborted) return undefined;
      if (wait > LAST_WAIT_MS) {
        log.write("error", `the app did not answer ${path}: ${messageOf(found)}`);
        return undefined;
      }
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    clearTimeout(slow);
  }
}
