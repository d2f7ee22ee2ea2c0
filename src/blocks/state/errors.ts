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
  const [code, doing] = failures[operation];
  const text = `${doing.replace("{key}", () => key ?? "")} state store ${store}`;
  // Dapr answers every failure of a transaction with 500, a lost race included.
  const status = kind && operation !== "transaction" ? kinds[kind] : undefined;
  return new ApiError(code, `${text}: ${explain(kind, messageOf(cause))}`, { cause, kind, status });
}

/** The code of each call, and what failed, in Dapr's words where it has some. */
const failures: Record<StateCallName, readonly [ErrorCode, string]> = {
  get: ["ERR_STATE_GET", "fail to get {key} from"],
  getBulk: ["ERR_STATE_BULK_GET", "fail to get keys from"],
  set: ["ERR_STATE_SAVE", "failed saving state in"],
  setBulk: ["ERR_STATE_SAVE", "failed saving state in"],
  delete: ["ERR_STATE_DELETE", "failed deleting state with key {key} from"],
  deleteBulk: ["ERR_STATE_DELETE", "failed deleting state from"],
  transaction: ["ERR_STATE_TRANSACTION", "error while executing state transaction in"],
  list: ["ERR_STATE_LIST", "failed listing keys of"],
};

/** Dapr's own words for the two kinds that its clients look for. */
function explain(kind: ErrorKind | undefined, message: string): string {
  if (kind === "etag-mismatch") return `possible etag mismatch. error from state store: ${message}`;
  if (kind === "etag-invalid") return `invalid etag value: ${message}`;
  return message;
}
