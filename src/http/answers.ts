import { ApiError } from "../errors.ts";
import type { Listener } from "../events.ts";
import type { ApiResponse } from "./contract.ts";
import type { Detail } from "./details.ts";

/** Thrown where a handler cannot go on: what to answer instead. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly response: ApiResponse;

  constructor(response: ApiResponse) {
    super(String(response.status));
    this.response = response;
  }
}

export function empty(): ApiResponse {
  return { status: 204, headers: {} };
}

/** JSON as Go's encoder ends it: with a line feed. */
export function json(value: unknown, status = 200): ApiResponse {
  return { ...data(`${toJson(value)}\n`), status };
}

/** Always JSON by its type, whatever the bytes are, as Dapr has it. */
export function data(body: string | Uint8Array): ApiResponse {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

/** Plain text, as Go's `http.Error` writes it. */
export function text(status: number, message: string): ApiResponse {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  };
  return { status, headers, body: `${message}\n` };
}

export function failure(
  status: number,
  errorCode: string,
  message: string,
  details?: readonly Detail[],
): ApiResponse {
  return { ...data(toJson({ errorCode, message, details })), status };
}

export function refused(
  status: number,
  errorCode: string,
  message: string,
  details?: readonly Detail[],
): Refusal {
  return new Refusal(failure(status, errorCode, message, details));
}

/** The answer for what a handler threw. What nobody expected is told to the listener, and to the caller without a word of it. */
export function failureOf(
  error: unknown,
  signal: AbortSignal | undefined,
  onEvent: Listener | undefined,
): ApiResponse {
  if (error instanceof Refusal) return error.response;
  if (ApiError.is(error)) return failure(error.status, error.code, error.message);
  if (signal?.aborted) return failure(500, "ERROR", "the caller went away");
  onEvent?.({ type: "handler.failed", error });
  return failure(500, "ERROR", "internal error");
}

const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** Go's encoder escapes what HTML and JavaScript would take for their own. */
export function toJson(value: unknown): string {
  return escaped(JSON.stringify(value));
}

export function escaped(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => escapes[character] as string);
}
