import { ApiError, type ErrorCode, type ErrorKind } from "../../errors.ts";
import { equal, ok, rejection } from "../assert.ts";

export async function refused(
  work: Promise<unknown>,
  code: ErrorCode,
  kind: ErrorKind,
  status?: number,
): Promise<ApiError> {
  const error = await rejection(work, `${code} (${kind})`);
  ok(ApiError.is(error), `an ApiError, not ${error}`);
  equal([error.code, error.kind], [code, kind], error.message);
  if (status !== undefined) equal(error.status, status, error.message);
  return error;
}

/** Stores may find a foreign ETag malformed or merely another's; both change nothing. */
export async function etagRefused(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await rejection(work, code);
  ok(
    ApiError.is(error, "etag-mismatch") || ApiError.is(error, "etag-invalid"),
    `an etag error, not ${error}`,
  );
  equal(error.code, code, error.message);
}
