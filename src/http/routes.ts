import { getBulkState } from "./bulk.ts";
import type { Handler, Route } from "./contract.ts";
import { getHealth, getOutboundHealth, shutdown } from "./health.ts";
import { getMetadata, putMetadata } from "./metadata.ts";
import { publishMessages } from "./publish-bulk.ts";
import { publishMessage } from "./pubsub.ts";
import { deleteState, getState, queryState, saveState } from "./state.ts";
import { transactState } from "./transaction.ts";
import {
  actorObject,
  actorOf,
  actorOperations,
  converse,
  invokeBinding,
  jobFailure,
  noActors,
  reading,
  refuse,
  scheduleJob,
  tryLock,
  unlock,
} from "./unbuilt.ts";

const stable = ["v1.0"];
const alpha = ["v1.0-alpha1"];
const both = ["v1.0", "v1.0-alpha1"];
const all = ["v1.0", "v1.0-alpha1", "v1.0-beta1"];

const get = ["GET"];
const post = ["POST"];
const write = ["POST", "PUT"];

function on(
  methods: readonly string[],
  versions: readonly string[],
  path: string,
  handler: Handler,
): Route {
  return { methods, versions, path, handler };
}

const state: readonly Route[] = [
  on(get, stable, "state/{}/{}", getState),
  on(write, stable, "state/{}", saveState),
  on(["DELETE"], stable, "state/{}/{}", deleteState),
  on(write, stable, "state/{}/bulk", getBulkState),
  on(write, stable, "state/{}/transaction", transactState),
  on(write, alpha, "state/{}/query", queryState),
];

const pubsub: readonly Route[] = [
  on(write, stable, "publish/{}/*", publishMessage),
  on(write, both, "publish/bulk/{}/*", publishMessages),
];

const runtime: readonly Route[] = [
  on(get, stable, "metadata", getMetadata),
  on(get, stable, "healthz", getHealth),
  on(get, stable, "healthz/outbound", getOutboundHealth),
];

/** What only a process can do has a route only there. */
export const processRoutes: readonly Route[] = [
  on(["PUT"], stable, "metadata/{}", putMetadata),
  on(post, stable, "shutdown", shutdown),
];

const secrets = refuse(500, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured");
const configuration = refuse(
  500,
  "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
  "configuration stores not configured",
);
const crypto = refuse(
  500,
  "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
  "crypto providers not configured",
);
const subtle = reading(
  refuse(501, "ERR_API_UNIMPLEMENTED", "this API is currently not implemented"),
);
const object = actorOf(actorObject);
const nothing = actorOf(async () => undefined);

const unbuilt: readonly Route[] = [
  on(write, stable, "bindings/{}", invokeBinding),
  on(get, stable, "secrets/{}/{}", secrets),
  on(get, both, "configuration/{}", configuration),
  on(get, both, "configuration/{}/subscribe", configuration),
  on(get, both, "configuration/{}/{}/unsubscribe", configuration),
  on(post, alpha, "lock/{}", tryLock),
  on(post, alpha, "unlock/{}", unlock),
  on(write, stable, "actors/{}/{}/state", actorOf(actorOperations)),
  on(get, stable, "actors/{}/{}/state/{}", nothing),
  on(["GET", "POST", "DELETE", "PUT"], stable, "actors/{}/{}/method/{}", noActors),
  on(write, stable, "actors/{}/{}/reminders/{}", object),
  on(["GET", "DELETE"], stable, "actors/{}/{}/reminders/{}", nothing),
  on(write, stable, "actors/{}/{}/timers/{}", object),
  on(["DELETE"], stable, "actors/{}/{}/timers/{}", nothing),
  on(post, all, "workflows/{}/{}/start", noActors),
  on(get, all, "workflows/{}/{}", noActors),
  on(post, all, "workflows/{}/{}/raiseEvent/{}", noActors),
  ...["terminate", "pause", "resume", "purge"].map((verb) =>
    on(post, all, `workflows/{}/{}/${verb}`, reading(noActors)),
  ),
  on(post, both, "jobs/{}", scheduleJob),
  on(get, both, "jobs/{}", jobFailure("get", "DAPR_SCHEDULER_GET_JOB")),
  on(["DELETE"], both, "jobs/{}", jobFailure("delete", "DAPR_SCHEDULER_DELETE_JOB")),
  on(["PUT"], alpha, "crypto/{}/encrypt", crypto),
  on(["PUT"], alpha, "crypto/{}/decrypt", crypto),
  ...["getkey", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"].map((verb) =>
    on(post, alpha, `subtlecrypto/{}/${verb}`, subtle),
  ),
  on(post, ["v1.0-alpha1", "v1.0-alpha2"], "conversation/{}/converse", reading(converse)),
];

export const routes: readonly Route[] = [...state, ...pubsub, ...runtime, ...unbuilt];

/** Where calls of apps go, which no table holds: what no other route takes goes there as well. */
export const INVOKE = "v1.0/invoke/";
