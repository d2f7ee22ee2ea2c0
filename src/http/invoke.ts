import { fromBase64 } from "../base64.ts";
import { failure } from "./answers.ts";
import type { ApiRequest, ApiResponse } from "./contract.ts";
import { decoded } from "./path.ts";
import { badEscape } from "./table.ts";

/** The answer for a path or method that has no route. */
export function unmatched(): ApiResponse {
  const text = "failed getting app id either from the URL path or the header dapr-app-id";
  return failure(404, "ERR_DIRECT_INVOKE", text);
}

/** A request that no other route takes calls the app that it names, in one of Dapr's three ways. */
export function invoke(request: ApiRequest): ApiResponse {
  const app = request.header("dapr-app-id") || byAuthorization(request) || byPath(request.path);
  if (!app) return unmatched();
  const text = `failed to invoke, id: ${app}, err: the building block invoke is not built yet`;
  return failure(500, "ERR_DIRECT_INVOKE", text);
}

function byAuthorization(request: ApiRequest): string | undefined {
  const [scheme, code = ""] = (request.header("authorization") ?? "").split(" ", 2);
  const bytes = scheme === "Basic" ? fromBase64(code) : undefined;
  const [user, app, more] = new TextDecoder().decode(bytes).split(":");
  return user?.toLowerCase() === "dapr-app-id" && more === undefined ? app : undefined;
}

/** The path as it was sent, so that an app may be named by a URL, and a method be empty. */
function byPath(path: string): string | undefined {
  let whole: string;
  try {
    whole = decodeURIComponent(path);
  } catch {
    throw badEscape(path);
  }
  const [, app] = /^\/+v1\.0\/+invoke\/+(.+?)\/method\//s.exec(whole) ?? [];
  return app && (decoded(app) ?? app);
}
