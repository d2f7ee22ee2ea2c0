/** What a target lends to the core and to components: the only way out of either. */
export interface Host {
  readonly target: Target;
  /** Variables and worker bindings, by name. Strings everywhere but on Workers. */
  readonly env: Readonly<Record<string, unknown>>;
  /** On Workers, the module's own exports as bindings (`ctx.exports`); empty elsewhere. */
  readonly exports: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly hash: Hash;
  /**
   * Sends an HTTP request to a service, following no redirect.
   * MUST reject when no answer came; an HTTP error status is an answer.
   */
  send(request: ServiceRequest, call: Call): Promise<ServiceResponse>;
  /**
   * In a process that serves: what the component type `type` does nowhere else, in the shape that it wants. For components that
   * a platform also brings messages to: its functions do not carry what they never run.
   */
  readonly inProcess?: (type: string) => unknown;
}

export type Target = "node" | "workers" | "lambda";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason once it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  uuid(): string;
  /** At least 0, less than 1. */
  number(): number;
}

/** SHA-256 and HMAC-SHA-256: synchronous where the platform has it so. */
export interface Hash {
  sha256(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface ServiceRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface ServiceResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * The invocation on whose behalf a block is called. It is passed from the target down to the
 * component as the last argument and never kept by either; a subscription's lasts until it is stopped.
 */
export interface Call {
  /**
   * Aborted when the caller went away or the invocation ran out of time. A caller who goes away is not
   * followed any more once there is `waitUntil` work.
   */
  readonly signal: AbortSignal | undefined;
  /** W3C trace context of the caller. */
  readonly trace: Trace;
  /** Milliseconds since the epoch at which the platform ends the invocation, where it has such a time. */
  readonly deadline: number | undefined;
  /** Keeps the invocation alive until `work` has settled. Its rejection is reported, never thrown. */
  waitUntil(work: Promise<unknown>): void;
}

export interface Trace {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}
