import { empty, failure } from "./answers.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { parseQuery } from "./query.ts";

/** Ready is what has nothing left to wait for: without a process, from the first request on. */
export function getHealth({ context, request }: Exchange): ApiResponse {
  const waiting = context.process?.waitingFor() ?? [];
  if (waiting.length > 0)
    return failure(500, "ERR_HEALTH_NOT_READY", `dapr is not ready: [${waiting.join(" ")}]`);
  const asked = parseQuery(request.query).get("appid");
  if (asked !== undefined && asked !== context.runtime.options.id)
    return failure(500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
  return empty();
}

export function getOutboundHealth({ context }: Exchange): ApiResponse {
  if (context.process?.outboundReady() ?? true) return empty();
  return failure(500, "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready");
}

export function shutdown({ context, request }: Exchange): ApiResponse {
  context.process?.shutdown(request.header("dapr-force-shutdown")?.toLowerCase() === "true");
  return empty();
}
