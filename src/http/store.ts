import type { Handle } from "../blocks/state/handle.ts";
import type { ApiError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { failure, type Refusal, refused } from "./answers.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { badRequest, errorInfo, help, resourceInfo } from "./details.ts";

/** The store that the path names, on behalf of the request. Refuses what nobody declared, in Dapr's words. */
export function storeOf({ context: { runtime }, params, call }: Exchange): Handle {
  const [name = ""] = params;
  checkDeclared(runtime, name, { appID: runtime.options.id });
  return { opened: runtime.find("state", name), call, schema: undefined };
}

export function checkDeclared(
  { options: { components = {} } }: Runtime,
  name: string,
  metadata: Readonly<Record<string, string>> | undefined,
): void {
  if (isStore(Object.hasOwn(components, name) ? components[name] : undefined)) return;
  const entries = metadata && Object.entries(metadata);
  if (!Object.values(components).some(isStore)) {
    throw refused(500, "ERR_STATE_STORE_NOT_CONFIGURED", `state store ${name} is not configured`, [
      errorInfo("DAPR_STATE_NOT_CONFIGURED", entries),
    ]);
  }
  throw refused(400, "ERR_STATE_STORE_NOT_FOUND", `state store ${name} is not found`, [
    errorInfo("DAPR_STATE_NOT_FOUND", entries),
  ]);
}

function isStore(component: { readonly type: string } | undefined): boolean {
  return component?.type.startsWith("state.") ?? false;
}

/** Dapr wraps this error in another of its kind, which is where the first words come from. */
export function checkSeparator(store: string, key: string): void {
  if (!key.includes("||")) return;
  const text = `api error: code = InvalidArgument desc = input key/keyPrefix '${key}' can't contain '||'`;
  throw refused(400, "ERR_MALFORMED_REQUEST", text, [
    badRequest(key, text),
    resourceInfo("state", store),
    errorInfo("DAPR_STATE_ILLEGAL_KEY"),
  ]);
}

export function withoutTransactions(store: string): Refusal {
  return refused(
    500,
    "ERR_STATE_STORE_NOT_SUPPORTED",
    `state store ${store} doesn't support transactions`,
    [
      help(
        "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
        "Check the list of state stores and the features they support",
      ),
      resourceInfo("state", store),
      errorInfo("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"),
    ],
  );
}

export function tooManyOperations(store: string, count: number, most: number): Refusal {
  const text = `the transaction contains ${count} operations, which is more than what the state store supports: ${most}`;
  const metadata = [
    ["currentOpsTransaction", String(count)],
    ["maxOpsPerTransaction", String(most)],
  ] as const;
  return refused(400, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS", text, [
    resourceInfo("state", store),
    errorInfo("DAPR_STATE_TOO_MANY_TRANSACTIONS", metadata),
  ]);
}

export function withoutQueries(store: string): Refusal {
  return refused(500, "ERR_STATE_STORE_NOT_SUPPORTED", "state store does not support querying", [
    resourceInfo("state", store),
    errorInfo("DAPR_STATE_QUERYING_NOT_SUPPORTED"),
  ]);
}

/** Of several keys that failed, Dapr answers the first that lost a race or had no ETag of the store's. */
export function bulkFailure(error: ApiError): ApiResponse {
  const told = error.failures.find(({ error: { kind } }) => kind?.startsWith("etag-"))?.error;
  return failure((told ?? error).status, error.code, error.message);
}
