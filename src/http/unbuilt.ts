import { failure, Refusal } from "./answers.ts";
import { jsonOf, malformed, messageFrom } from "./body.ts";
import type { ApiResponse, Exchange, Handler } from "./contract.ts";
import { errorInfo } from "./details.ts";
import { Fields } from "./fields.ts";

/** The blocks that are not built answer as Dapr's do when nothing is configured for them. */

export const refuse =
  (status: number, code: string, message: string): Handler =>
  () =>
    failure(status, code, message);

export async function invokeBinding(exchange: Exchange): Promise<ApiResponse> {
  const body = new Fields(await jsonOf(exchange), "the body");
  body.metadata();
  body.text("operation");
  const [name] = exchange.params;
  const text = `error invoking output binding ${name}: couldn't find output binding ${name}`;
  return failure(500, "ERR_INVOKE_OUTPUT_BINDING", text);
}

export async function tryLock(exchange: Exchange): Promise<ApiResponse> {
  const message = await messageFrom(exchange);
  const expiry = wholeOf(message.expiryInSeconds ?? message.expiry_in_seconds);
  if (expiry > 0) return unlockable();
  const text = `ExpiryInSeconds is not positive in lock store ${exchange.params[0]}`;
  return failure(400, "ERR_MALFORMED_REQUEST", text);
}

export async function unlock(exchange: Exchange): Promise<ApiResponse> {
  await messageFrom(exchange);
  return unlockable();
}

function unlockable(): ApiResponse {
  return failure(500, "ERR_LOCK_STORE_NOT_CONFIGURED", "lock store is not configured");
}

/** A protobuf number, which may be text. */
function wholeOf(value: unknown = 0): number {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  if (Number.isInteger(number ?? 0)) return Number(number);
  throw malformed("expiryInSeconds must be a whole number");
}

export const noActors: Handler = refuse(
  400,
  "ERR_ACTOR_NO_PLACEMENT",
  "placement service is not configured",
);

/** Reminders, timers and state of actors: not those that Dapr runs workflows on. */
export const actorOf =
  (body: (exchange: Exchange) => Promise<unknown>): Handler =>
  async (exchange) => {
    const [type = ""] = exchange.params;
    if (type.startsWith("dapr.internal.")) {
      const text = `actor type ${JSON.stringify(type)} is reserved for the Dapr workflow runtime; direct actor API access is not permitted`;
      return failure(403, "ERR_ACTOR_TYPE_RESERVED", text);
    }
    await body(exchange);
    return noActors(exchange);
  };

export async function actorOperations(exchange: Exchange): Promise<void> {
  const body = (await jsonOf(exchange)) ?? [];
  if (!Array.isArray(body)) throw malformed("the body must be an array of operations");
}

export async function actorObject(exchange: Exchange): Promise<void> {
  new Fields(await jsonOf(exchange), "the body");
}

/** After the body is read as a message. */
export const reading =
  (next: Handler): Handler =>
  async (exchange) => {
    await messageFrom(exchange);
    return next(exchange);
  };

export async function scheduleJob(exchange: Exchange): Promise<ApiResponse> {
  const message = await messageFrom(exchange);
  const { id } = exchange.context.runtime.options;
  if (message.name) {
    const text = "Set the job name in the url only";
    throw jobRefusal(400, "DAPR_SCHEDULER_JOB_NAME", text, [["appID", id]]);
  }
  const when = message.schedule ?? message.dueTime ?? message.due_time;
  if (when !== undefined && when !== null)
    return jobFailure("schedule", "DAPR_SCHEDULER_SCHEDULE_JOB")(exchange);
  throw jobRefusal(400, "DAPR_SCHEDULER_SCHEDULE_EMPTY", "Schedule is empty", scope(exchange));
}

export const jobFailure =
  (verb: string, code: string): ((exchange: Exchange) => ApiResponse) =>
  (exchange) => {
    const text = `failed to ${verb} job due to: scheduler clients are disabled`;
    throw jobRefusal(500, code, text, scope(exchange));
  };

function scope({ context }: Exchange): [string, string][] {
  const { id, host } = context.runtime.options;
  return [
    ["appID", id],
    ["namespace", String(host.env.NAMESPACE || "default")],
  ];
}

function jobRefusal(
  status: number,
  code: string,
  message: string,
  metadata: [string, string][],
): Refusal {
  return new Refusal(failure(status, code, message, [errorInfo(code, metadata)]));
}

export function converse({ params }: Exchange): ApiResponse {
  const text = `failed finding conversation component ${params[0]}`;
  return failure(400, "ERR_CONVERSATION_NOT_FOUND", text);
}
