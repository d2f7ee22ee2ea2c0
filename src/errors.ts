import type { PubSubErrorCode } from "./blocks/pubsub/errors.ts";

/**
 * What went wrong in a component, which knows its service but not the API call it was serving: the HTTP status that a
 * block answers with unless its error code decides otherwise.
 */
export const kinds = {
  /** Someone else wrote first. */
  "etag-mismatch": 409,
  /** Not an ETag that this store could have made. */
  "etag-invalid": 400,
  /** The key, value or request is not one that the service takes; nothing was changed. */
  invalid: 400,
  /** What is stored is not what a state store writes, or not what the schema says. */
  corrupt: 500,
  /** The component lacks the feature. */
  unsupported: 500,
  /** The service refused, timed out, throttled or could not be reached: the same call may succeed later. */
  unavailable: 500,
  /** A setting, or something that the platform should provide, is missing or cannot work. */
  config: 500,
} as const;

export type ErrorKind = keyof typeof kinds;

/** Statuses of error codes whose status is not 500 by itself. */
const statuses = {
  ERR_MALFORMED_REQUEST: 400,
  ERR_STATE_STORE_NOT_FOUND: 400,
  ERR_STATE_STORE_TOO_MANY_TRANSACTIONS: 400,
  ERR_PUBSUB_NOT_FOUND: 404,
  /** Ours: the block exists in Dapr and not yet here. */
  ERR_BLOCK_NOT_BUILT: 501,
  /** Ours: the runtime is closing or closed. */
  ERR_RUNTIME_CLOSED: 503,
} as const;

/** Dapr's error codes. Blocks that an app may do without bring theirs along. */
export type ErrorCode =
  | keyof typeof statuses
  | "ERR_STATE_STORE_NOT_CONFIGURED"
  | "ERR_STATE_STORE_NOT_SUPPORTED"
  | "ERR_STATE_GET"
  | "ERR_STATE_BULK_GET"
  | "ERR_STATE_SAVE"
  | "ERR_STATE_DELETE"
  | "ERR_STATE_TRANSACTION"
  /** Ours: listing keys has no route in Dapr's API. */
  | "ERR_STATE_LIST"
  /** Ours: a component's settings, or the way pillion was set up, cannot work. */
  | "ERR_CONFIGURATION"
  | PubSubErrorCode;

/** Thrown by components. A block turns it into an {@link ApiError} that names the call. */
export class ComponentError extends Error {
  override readonly name = "ComponentError";
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }

  /** Compares by name, so that it holds between two bundled copies of pillion. */
  static is(error: unknown, kind?: ErrorKind): error is ComponentError {
    return (
      error instanceof Error &&
      error.name === "ComponentError" &&
      (error as ComponentError).kind in kinds &&
      (kind === undefined || (error as ComponentError).kind === kind)
    );
  }
}

export interface ApiErrorOptions extends ErrorOptions {
  status?: number;
  kind?: ErrorKind;
  failures?: readonly KeyFailure[];
}

/** One key of a bulk call that failed, while the others may have been written. */
export interface KeyFailure {
  readonly key: string;
  readonly error: ApiError;
}

/**
 * Thrown by every building block: Dapr's code and status, and the kind of fault beneath.
 * A Hono app answers it by itself, since Hono calls {@link ApiError.getResponse}.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  readonly status: number;
  /** The component's own finding, where a component was reached. */
  readonly kind: ErrorKind | undefined;
  /** Bulk writes only: which keys failed. */
  readonly failures: readonly KeyFailure[];

  constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.kind = options.kind;
    this.status = options.status ?? statuses[code as keyof typeof statuses] ?? 500;
    this.failures = options.failures ?? [];
  }

  /** Whether the same call may succeed if it is made again later. */
  get retry(): boolean {
    return this.kind === "unavailable";
  }

  /** The error as Dapr's HTTP API would answer it. */
  getResponse(): Response {
    return Response.json({ errorCode: this.code, message: this.message }, { status: this.status });
  }

  /** Compares by name, so that it holds between two bundled copies of pillion. */
  static is(error: unknown, what?: ErrorKind | ErrorCode): error is ApiError {
    if (!(error instanceof Error) || error.name !== "ApiError") return false;
    const { code, kind } = error as ApiError;
    return !!code && (what === undefined || what === code || what === kind);
  }
}

/** The error for a set-up that cannot work, with what to change. */
export function configurationError(message: string, options?: ErrorOptions): ApiError {
  return new ApiError("ERR_CONFIGURATION", message, { ...options, kind: "config" });
}

/** The error for a request that no component could serve. */
export function malformed(message: string): ApiError {
  return new ApiError("ERR_MALFORMED_REQUEST", message, { kind: "invalid" });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
