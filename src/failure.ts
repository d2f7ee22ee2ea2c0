import type { Listener } from "./events.ts";

/**
 * The answer for what an app's `fetch` threw: its own, where the error renders itself as `ApiError` and
 * Hono's exceptions do; else 500 without a word of what happened, which goes to the listener.
 */
export function answerFailure(error: unknown, onEvent: Listener | undefined): Response {
  onEvent?.({ type: "handler.failed", error });
  const own = (error as { getResponse?: unknown } | undefined)?.getResponse;
  if (typeof own === "function") return own.call(error) as Response;
  return Response.json({ errorCode: "ERROR", message: "internal error" }, { status: 500 });
}
