import type { HttpEvent, V1Event } from "./events.ts";

/** What API Gateway, a function URL and a load balancer take for an answer; each reads its own fields. */
export interface HttpResult {
  statusCode: number;
  headers?: Record<string, string>;
  multiValueHeaders?: Record<string, string[]>;
  cookies?: string[];
  statusDescription?: string;
  body: string;
  isBase64Encoded: boolean;
}

/** The answer in the form that the sender of `http` understands. */
export async function toResult(response: Response, http: HttpEvent): Promise<HttpResult> {
  const body = await bodyOf(response, http);
  const { headers, cookies } = headersOf(response);
  const statusCode = response.status;
  if (http.shape === "v2")
    return { statusCode, headers, ...(cookies.length > 0 && { cookies }), ...body };
  if (http.shape === "v1") {
    const multiValueHeaders = cookies.length > 0 && {
      multiValueHeaders: { "set-cookie": cookies },
    };
    return { statusCode, headers, ...multiValueHeaders, ...body };
  }
  const statusDescription = `${statusCode} ${response.statusText || reasonOf(statusCode)}`.trim();
  return {
    statusCode,
    statusDescription,
    ...loadBalancerHeaders(headers, cookies, http.event),
    ...body,
  };
}

export function headersOf(response: Response): {
  headers: Record<string, string>;
  cookies: string[];
} {
  const headers: Record<string, string> = {};
  const cookies: string[] = [];
  for (const [name, value] of response.headers) {
    if (name === "set-cookie") cookies.push(toText(value));
    else headers[name] = toText(value);
  }
  return { headers, cookies };
}

/** The answers that HTTP gives no body, whatever the app made. */
export function isBodiless(response: Response, { method }: HttpEvent): boolean {
  return method === "HEAD" || response.status === 204 || response.status === 304;
}

type Body = Pick<HttpResult, "body" | "isBase64Encoded">;

async function bodyOf(response: Response, http: HttpEvent): Promise<Body> {
  if (isBodiless(response, http)) {
    response.body?.cancel().catch(() => {});
    return { body: "", isBase64Encoded: false };
  }
  if (!response.body) return { body: "", isBase64Encoded: false };
  const bytes = Buffer.from(await response.arrayBuffer());
  const isBase64Encoded = !isText(response.headers, bytes);
  return { body: bytes.toString(isBase64Encoded ? "base64" : "utf8"), isBase64Encoded };
}

const textTypes =
  /^text\/|[/+](json|xml|javascript|ecmascript|yaml|x-ndjson|x-www-form-urlencoded)\b|charset=/i;

/**
 * Text goes as it is where it survives that: REST APIs decode base64 only for media types they were told of.
 * Text in other encodings than UTF-8 does not survive, and compressed text is none.
 */
function isText(headers: Headers, bytes: Buffer): boolean {
  const encoding = headers.get("content-encoding");
  if (encoding && encoding.toLowerCase() !== "identity") return false;
  const type = headers.get("content-type");
  if (type && !textTypes.test(type)) return false;
  return process.getBuiltinModule("node:buffer").isUtf8(bytes);
}

/** `Headers` hold bytes; where they are UTF-8, JSON is to carry the text. */
function toText(value: string): string {
  if (/^[\t -~]*$/.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  return process.getBuiltinModule("node:buffer").isUtf8(bytes) ? bytes.toString() : value;
}

/** A target group with multi-value headers takes only those, and one without them only the others. */
function loadBalancerHeaders(
  headers: Record<string, string>,
  cookies: string[],
  event: V1Event,
): Pick<HttpResult, "headers" | "multiValueHeaders"> {
  if (event.multiValueHeaders) {
    const multiValueHeaders: Record<string, string[]> = {};
    for (const name in headers) multiValueHeaders[name] = [headers[name] as string];
    if (cookies.length > 0) multiValueHeaders["set-cookie"] = cookies;
    return { multiValueHeaders };
  }
  // One name takes one value and cookies cannot be joined, but names that differ in case stay apart.
  for (const [index, cookie] of cookies.entries()) headers[inCase("set-cookie", index)] = cookie;
  return { headers };
}

/** A spelling of `name` of its own for every `index`: its bits say which letters are capitals. */
function inCase(name: string, index: number): string {
  let rest = index;
  return name.replace(/[a-z]/g, (letter) => {
    const capital = rest % 2 === 1;
    rest = Math.floor(rest / 2);
    return capital ? letter.toUpperCase() : letter;
  });
}

function reasonOf(status: number): string {
  return process.getBuiltinModule("node:http").STATUS_CODES[status] ?? "";
}
