/** HTTP API, payload format 2.0, and function URLs. */
export interface V2Event {
  readonly rawPath: string;
  readonly rawQueryString?: string;
  readonly cookies?: readonly string[];
  readonly headers?: SingleValues;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  readonly requestContext: {
    readonly domainName?: string;
    readonly stage?: string;
    readonly http: { readonly method: string };
  };
}

/** REST API, HTTP API with payload format 1.0, and Application Load Balancer. */
export interface V1Event {
  readonly version?: string;
  readonly httpMethod: string;
  readonly path: string;
  readonly headers?: SingleValues | null;
  readonly multiValueHeaders?: MultiValues | null;
  readonly queryStringParameters?: SingleValues | null;
  readonly multiValueQueryStringParameters?: MultiValues | null;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  readonly requestContext: { readonly domainName?: string; readonly stage?: string };
}

export type SingleValues = Readonly<Record<string, string | undefined>>;
export type MultiValues = Readonly<Record<string, readonly string[] | undefined>>;

export type HttpEvent =
  | { readonly shape: "v2"; readonly method: string; readonly event: V2Event }
  | { readonly shape: "v1" | "alb"; readonly method: string; readonly event: V1Event };

/** The event as an HTTP request, or undefined for one of anything else. */
export function httpEventOf(event: unknown): HttpEvent | undefined {
  if (!isObject(event) || !isObject(event.requestContext) || isAuthorization(event))
    return undefined;
  const { elb, http } = event.requestContext;
  if (event.version === "2.0" && isObject(http)) {
    if (typeof http.method !== "string" || typeof event.rawPath !== "string") return undefined;
    return { shape: "v2", method: http.method, event: event as unknown as V2Event };
  }
  if (typeof event.httpMethod !== "string" || typeof event.path !== "string") return undefined;
  return {
    shape: elb ? "alb" : "v1",
    method: event.httpMethod,
    event: event as unknown as V1Event,
  };
}

/** A question whether a request may pass, which has the request's shape and wants another answer. */
function isAuthorization(event: Record<string, unknown>): boolean {
  return "methodArn" in event || "routeArn" in event;
}

/** Reads headers by lower-case name from whatever event has them, several values joined as on the wire. */
export function headerReader(event: unknown): (name: string) => string | undefined {
  const { headers, multiValueHeaders } = isObject(event) ? event : {};
  return (name) => findValue(headers, name) ?? findValue(multiValueHeaders, name);
}

function findValue(headers: unknown, name: string): string | undefined {
  if (!isObject(headers)) return undefined;
  const key =
    name in headers ? name : Object.keys(headers).find((key) => key.toLowerCase() === name);
  const value = key === undefined ? undefined : headers[key];
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" ? value : undefined;
}

/** What an event looks like, for an error message: its source and shape, never what it carries. */
export function describeEvent(event: unknown): string {
  if (event === null || event === undefined) return "no event";
  if (!isObject(event)) return Array.isArray(event) ? "a list" : `a ${typeof event}`;
  const source = sourceOf(event);
  if (source) return source;
  const fields = Object.keys(event).slice(0, 5);
  return fields.length > 0 ? `an event with the fields ${fields.join(", ")}` : "an empty event";
}

function sourceOf(event: Record<string, unknown>): string | undefined {
  const { requestContext, Records, eventSource } = event;
  if (isObject(requestContext) && requestContext.connectionId)
    return "an API Gateway WebSocket event";
  const record: unknown = Array.isArray(Records) ? Records[0] : undefined;
  // SNS alone writes its records' fields in capitals.
  const service = isObject(record) ? (record.eventSource ?? record.EventSource) : eventSource;
  if (typeof service === "string") return `an ${service} event`;
  if ("detail-type" in event) return "an EventBridge event";
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
