import { type HttpEvent, headerReader, type MultiValues, type SingleValues } from "./events.ts";

/** Throws `TypeError` for an event whose method, host or headers no request can have. */
export function toRequest(http: HttpEvent): Request {
  const header = headerReader(http.event);
  const headers = headersOf(http);
  const body = bodyOf(http);
  if (body && !headers.has("content-length"))
    headers.set("content-length", String(body.byteLength));
  return new Request(urlOf(http, header), {
    method: http.method,
    headers,
    body: body as BodyInit | undefined,
  });
}

function urlOf(http: HttpEvent, header: (name: string) => string | undefined): string {
  const { domainName, stage } = http.event.requestContext;
  const scheme = header("x-forwarded-proto") === "http" ? "http" : "https";
  const host = checkedHost(header("host") ?? domainName ?? "localhost");
  const path = escapePath(pathOf(http, stage));
  // A query of a URL ends at "#", which some front ends hand on as it was sent.
  const query = queryOf(http).replaceAll("#", "%23");
  return `${scheme}://${host}${path.startsWith("/") ? "" : "/"}${path}${query && `?${query}`}`;
}

/** A host that held anything else would move the path: the app would see another than was let through. */
function checkedHost(host: string): string {
  if (/^([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/i.test(host)) return host;
  throw new TypeError("the host is none");
}

/**
 * An HTTP API puts a named stage before the path, under its own domain and a custom one alike; a REST API
 * takes it off. The app is to see the same path behind all of them.
 */
function pathOf({ shape, event }: HttpEvent, stage: string | undefined): string {
  const path = shape === "v2" ? event.rawPath : event.path;
  const ofHttpApi = shape === "v2" || event.version === "1.0";
  if (!ofHttpApi || !stage || stage === "$default") return path || "/";
  if (path === `/${stage}`) return "/";
  return path.startsWith(`/${stage}/`) ? path.slice(stage.length + 1) : path;
}

/**
 * An HTTP API gives its path decoded, all the others as it was sent: what is encoded stays so (`%2F`), and
 * only what no encoded path can hold is encoded here.
 */
function escapePath(path: string): string {
  return path.replace(/[?#\\\s]|%(?![0-9a-f]{2})/gi, encodeURIComponent);
}

function queryOf(http: HttpEvent): string {
  if (http.shape === "v2") return http.event.rawQueryString ?? "";
  const { multiValueQueryStringParameters: several, queryStringParameters: single } = http.event;
  // A load balancer gives the query as it was sent; API Gateway decodes it.
  const encode = http.shape === "alb" ? asIs : encodeURIComponent;
  return pairsOf(several, single)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
}

/** Cookies may come apart, in a list of their own or as several headers, which `Headers` would join by commas. */
function headersOf({ shape, event }: HttpEvent): Headers {
  const headers = new Headers();
  const cookies: string[] = shape === "v2" && event.cookies ? [...event.cookies] : [];
  for (const [name, value] of pairsOf(
    shape === "v2" ? undefined : event.multiValueHeaders,
    event.headers,
  )) {
    if (name.toLowerCase() === "cookie") cookies.push(value);
    else headers.append(name, toByteString(value));
  }
  if (cookies.length > 0) headers.set("cookie", toByteString(cookies.join("; ")));
  return headers;
}

function pairsOf(
  several: MultiValues | null | undefined,
  single: SingleValues | null | undefined,
): [string, string][] {
  const pairs: [string, string][] = [];
  for (const name in several) for (const value of several[name] ?? []) pairs.push([name, value]);
  for (const name in single) {
    const value = single[name];
    if (typeof value === "string" && !several?.[name]) pairs.push([name, value]);
  }
  return pairs;
}

/** Header values hold bytes: text beyond ASCII becomes its UTF-8 bytes, as every server presents them. */
function toByteString(value: string): string {
  return /^[\t -~]*$/.test(value) ? value : Buffer.from(value).toString("latin1");
}

/** Bytes even for text, because a text body would get a content type that nobody sent. */
function bodyOf({ method, event: { body, isBase64Encoded } }: HttpEvent): Uint8Array | undefined {
  if (!body || method === "GET" || method === "HEAD") return undefined;
  return Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
}

function asIs(text: string): string {
  return text;
}
