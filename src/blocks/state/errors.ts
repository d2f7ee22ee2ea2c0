import {
  ApiError,
  ComponentError,
  type ErrorCode,
  type ErrorKind,
  kinds,
  messageOf,
} from "../../errors.ts";
import type { StateCallName } from "../../events.ts";

/** Says which call failed, in Dapr's words, of what a component says happened to its service. */
export function toStateError(
  store: string,
  operation: StateCallName,
  key: string | undefined,
  cause: unknown,
): ApiError {
  if (ApiError.is(cause)) return cause;
  const kind = ComponentError.is(cause) ? cause.kind : undefined;
  const { code, text } = failure[operation](store, key);
  // Dapr answers every failure of a transaction with 500, a lost race included.
  const status = kind && operation !== "transaction" ? kinds[kind].status : undefined;
  return new ApiError(code, `${text}: ${explain(kind, messageOf(cause))}`, { cause, kind, status });
}

const failure: Record<
  StateCallName,
  (store: string, key: string | undefined) => { code: ErrorCode; text: string }
> = {
  get: (store, key) => ({
    code: "ERR_STATE_GET",
    text: `fail to get ${key} from state store ${store}`,
  }),
  getBulk: (store) => ({
    code: "ERR_STATE_BULK_GET",
    text: `fail to get keys from state store ${store}`,
  }),
  set: (store) => ({ code: "ERR_STATE_SAVE", text: `failed saving state in state store ${store}` }),
  setBulk: (store) => ({
    code: "ERR_STATE_SAVE",
    text: `failed saving state in state store ${store}`,
  }),
  delete: (store, key) => ({
    code: "ERR_STATE_DELETE",
    text: `failed deleting state with key ${key} from state store ${store}`,
  }),
  deleteBulk: (store) => ({
    code: "ERR_STATE_DELETE",
    text: `failed deleting state from state store ${store}`,
  }),
  transaction: (store) => ({
    code: "ERR_STATE_TRANSACTION",
    text: `error while executing state transaction in state store ${store}`,
  }),
  list: (store) => ({
    code: "ERR_STATE_LIST",
    text: `failed listing keys of state store ${store}`,
  }),
};

/** Dapr's own words for the two kinds that its clients look for. */
function explain(kind: ErrorKind | undefined, message: string): string {
  if (kind === "etag-mismatch") return `possible etag mismatch. error from state store: ${message}`;
  if (kind === "etag-invalid") return `invalid etag value: ${message}`;
  return message;
}
