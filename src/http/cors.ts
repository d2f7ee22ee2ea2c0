import type { ApiRequest, ApiResponse } from "./contract.ts";

const METHODS = ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** The browser's rules for pages of other origins, as Dapr's `allowed-origins` sets them. */
export interface Cors {
  /** The answer to a browser that asks before it sends; undefined for any other request. */
  preflight(request: ApiRequest): ApiResponse | undefined;
  /** Lets the page that sent the request read its response. */
  decorate(request: ApiRequest, headers: Record<string, string>): void;
}

/** Undefined without origins: then no request is treated as one of a page. An origin may hold one `*`. */
export function createCors(origins: readonly string[]): Cors | undefined {
  if (origins.length === 0) return undefined;
  const allowed = origins.map((origin) => origin.trim().toLowerCase());
  const all = allowed.includes("*");
  return {
    preflight(request) {
      const method = request.header("access-control-request-method");
      if (request.method !== "OPTIONS" || !method) return undefined;
      const headers: Record<string, string> = {
        vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
      };
      const origin = allowedOrigin(request, method);
      if (origin) {
        headers["access-control-allow-origin"] = origin;
        headers["access-control-allow-methods"] = method.toUpperCase();
        const names = headerNames(request);
        if (names) headers["access-control-allow-headers"] = names;
      }
      return { status: 200, headers };
    },
    decorate(request, headers) {
      headers.vary = "Origin";
      const origin = allowedOrigin(request, request.method);
      if (origin) headers["access-control-allow-origin"] = origin;
    },
  };

  function allowedOrigin(request: ApiRequest, method: string): string | undefined {
    const origin = request.header("origin");
    if (!origin || !METHODS.includes(method.toUpperCase())) return undefined;
    if (all) return "*";
    const lower = origin.toLowerCase();
    return allowed.some((pattern) => matches(pattern, lower)) ? origin : undefined;
  }
}

function headerNames(request: ApiRequest): string {
  const asked = request.header("access-control-request-headers") ?? "";
  const names = asked.split(",").map((name) => canonical(name.trim()));
  return names.filter((name) => /^[\w-]+$/.test(name)).join(", ");
}

/** As Go writes the names of headers. */
function canonical(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
}

function matches(pattern: string, origin: string): boolean {
  const [before = "", after] = pattern.split("*");
  if (after === undefined) return pattern === origin;
  return (
    origin.length >= before.length + after.length &&
    origin.startsWith(before) &&
    origin.endsWith(after)
  );
}
