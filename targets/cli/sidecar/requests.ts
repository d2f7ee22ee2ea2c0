import type { ApiLogging } from "./defaults.ts";
import type { Served } from "./listener.ts";
import type { Log, LogFields } from "./log.ts";

/** A log line for each request. A path may hold keys, which `obfuscateURLs` keeps out. */
export function logRequests(log: Log, { obfuscateURLs, omitHealthChecks }: ApiLogging) {
  const lines = log.scoped("dapr.runtime.http-info");
  return ({ request, status, bytes, durationMs }: Served): void => {
    const { path } = request;
    if (omitHealthChecks && path.startsWith("/v1.0/healthz")) return;
    const shown = obfuscateURLs ? path.split("/").slice(0, 3).join("/") : path;
    const agent = request.header("user-agent");
    const fields: LogFields = {
      code: status,
      duration: Math.round(durationMs),
      method: `${request.method} ${shown}`,
      size: bytes,
      ...(agent && { useragent: agent }),
    };
    lines.write("info", "HTTP API Called", fields);
  };
}
