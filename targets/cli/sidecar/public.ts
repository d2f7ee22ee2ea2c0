import type { ApiRequest, ApiResponse } from "../../../src/http/index.ts";
import type { Handle } from "./listener.ts";

const open = ["/v1.0/metadata", "/v1.0/healthz", "/v1.0/healthz/outbound"];

/** The part of the API that asks for no token: what may be read of the sidecar itself, and nothing of its components. */
export function publicPart(handle: Handle, token: string | undefined): Handle {
  return (request) =>
    request.method === "GET" && open.includes(request.path)
      ? handle(token === undefined ? request : withToken(request, token))
      : none;
}

const none: ApiResponse = {
  status: 404,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "404 page not found\n",
};

function withToken(request: ApiRequest, token: string): ApiRequest {
  const { method, path, query } = request;
  return {
    ...{ method, path, query },
    body: () => request.body(),
    header: (name) => (name === "dapr-api-token" ? token : request.header(name)),
    get signal() {
      return request.signal;
    },
  };
}
