import type { FetchHandler } from "./app.ts";
import type { Listener } from "./events.ts";

/** The app's answer. An app that throws, or answers what is no response, gets {@link answerFailure}. */
export async function answer(
  fetch: FetchHandler,
  onEvent: Listener | undefined,
  request: Request,
  environment: unknown,
  context: object,
): Promise<Response> {
  try {
    return checked(await fetch(request, environment, context));
  } catch (error) {
    return answerFailure(error, onEvent);
  }
}

/**
 * The answer for what an app's `fetch` threw: its own, where the error renders itself as `ApiError` and
 * Hono's exceptions do; else 500 without a word of what happened, which goes to the listener.
 */
export function answerFailure(error: unknown, onEvent: Listener | undefined): Response {
  onEvent?.({ type: "handler.failed", error });
  try {
    const { getResponse } = error as { getResponse(): unknown };
    return checked(getResponse.call(error));
  } catch {
    return Response.json({ errorCode: "ERROR", message: "internal error" }, { status: 500 });
  }
}

/** Status 0 is that of `Response.error()`, which no server can send. */
function checked(response: unknown): Response {
  if (isResponse(response) && response.status !== 0) return response;
  throw new TypeError("the app's fetch answered no Response");
}

/** By shape only where it must be, as servers have classes of their own: workerd makes `headers` when it is read. */
function isResponse(value: unknown): value is Response {
  return value instanceof Response || (value as Response | undefined)?.headers instanceof Headers;
}
