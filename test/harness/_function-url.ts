import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type InvokeOptions, type Outcome, type Prelude, split } from "./_runtime-api.ts";

type Invoke = (event: unknown, options?: InvokeOptions) => Promise<Outcome>;

interface Result extends Prelude {
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/** What a function URL does: HTTP requests in, events of payload format 2.0 to the function, its answers out. */
export async function createFunctionUrl(invoke: Invoke): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const event = await eventOf(request);
    let received = Buffer.alloc(0);
    const { payload, error, streamed } = await invoke(event, { onChunk });
    if (!streamed) return error ? failed(response) : buffered(response, payload);
    if (error && !response.headersSent) return failed(response);
    // A stream that failed half-way ends short, as the client of a function URL sees it.
    if (error) response.destroy();
    else response.end();

    function onChunk(chunk: Buffer, contentType: string): void {
      if (response.headersSent) return void response.write(chunk);
      received = Buffer.concat([received, chunk]);
      const { prelude, body } = split(received, contentType);
      if (!prelude) return;
      writeHead(response, prelude);
      response.flushHeaders();
      if (body.length > 0) response.write(body);
    }
  }
}

function failed(response: ServerResponse): void {
  response
    .writeHead(502, { "content-type": "application/json" })
    .end('{"message":"Internal Server Error"}');
}

function buffered(response: ServerResponse, payload: unknown): void {
  const result = (payload ?? {}) as Result;
  if (result.statusCode === undefined) {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(typeof payload === "string" ? payload : JSON.stringify(payload));
    return;
  }
  const body = Buffer.from(result.body ?? "", result.isBase64Encoded ? "base64" : "utf8");
  writeHead(response, result);
  response.end(body);
}

function writeHead(
  response: ServerResponse,
  { statusCode = 200, headers = {}, cookies = [] }: Prelude,
): void {
  for (const [name, value] of Object.entries(headers))
    response.setHeader(name, Buffer.from(value).toString("latin1"));
  if (cookies.length > 0) response.setHeader("set-cookie", cookies);
  response.statusCode = statusCode;
}

/** An event as a function URL makes it: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html */
async function eventOf(request: IncomingMessage): Promise<object> {
  const { pathname: rawPath, search } = new URL(request.url ?? "/", "http://local");
  const rawQueryString = search.slice(1);
  const { cookie, ...others } = request.headers;
  const headers: Record<string, string> = { "x-forwarded-proto": "http" };
  for (const [name, value] of Object.entries(others))
    headers[name] = Buffer.from(String(value), "latin1").toString();
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const isText = /^text\/|\b(json|xml|javascript|x-www-form-urlencoded)\b/.test(
    headers["content-type"] ?? "",
  );
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    headers,
    ...(cookie && { cookies: cookie.split("; ") }),
    ...(body.length > 0 && { body: body.toString(isText ? "utf8" : "base64") }),
    isBase64Encoded: body.length > 0 && !isText,
    requestContext: {
      accountId: "anonymous",
      apiId: "local",
      domainName: "local.lambda-url.us-east-1.on.aws",
      domainPrefix: "local",
      http: {
        method: request.method ?? "GET",
        path: rawPath,
        protocol: "HTTP/1.1",
        sourceIp: "127.0.0.1",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: crypto.randomUUID(),
      routeKey: "$default",
      stage: "$default",
      time: new Date().toUTCString(),
      timeEpoch: Date.now(),
    },
  };
}
