import { describe, expect, test } from "vitest";
import {
  answerTo,
  functionUrl,
  loadBalancer,
  loadBalancerOfMany,
  restApi,
} from "./_lambda-events.ts";

describe("an event becomes the request that was sent", () => {
  test("function URL", async () => {
    expect(await seen(functionUrl)).toEqual({
      method: "POST",
      url: "https://abc123.lambda-url.eu-central-1.on.aws/orders/a%2Fb?q=%C3%A9&q=2&empty=&plus=a+b",
      headers: {
        accept: "text/html,application/json",
        "content-length": "13",
        "content-type": "application/json",
        cookie: "session=abc; theme=dark",
        host: "abc123.lambda-url.eu-central-1.on.aws",
        "x-forwarded-proto": "https",
      },
      body: '{"id":"é"}\n ',
    });
  });

  test("REST API", async () => {
    expect(await seen(restApi)).toEqual({
      method: "PUT",
      url: "https://abc.execute-api.eu-central-1.amazonaws.com/orders/a%2Fb?tag=a&tag=b%26c&a%20key=%C3%A9",
      headers: {
        "content-length": "5",
        host: "abc.execute-api.eu-central-1.amazonaws.com",
        "x-once": "1",
        "x-twice": "a, b",
      },
      body: "hello",
    });
  });

  test("load balancer", async () => {
    expect(await seen(loadBalancer)).toEqual({
      method: "GET",
      url: "http://lb.example.com/orders/a%2Fb?a%20key=%C3%A9&tag=b%26c",
      headers: { cookie: "session=abc", host: "lb.example.com", "x-forwarded-proto": "http" },
      body: "",
    });
  });

  test("load balancer with multi-value headers", async () => {
    expect(await seen(loadBalancerOfMany)).toEqual({
      method: "GET",
      url: "https://lb.example.com/orders?tag=a&tag=b%26c",
      headers: { cookie: "a=1; b=2", host: "lb.example.com", "x-twice": "a, b" },
      body: "",
    });
  });

  test("REST API test console: single values, no query, no headers", async () => {
    const event = {
      httpMethod: "GET",
      path: "/",
      headers: null,
      multiValueHeaders: null,
      queryStringParameters: null,
      multiValueQueryStringParameters: null,
      requestContext: { stage: "test-invoke-stage" },
      body: null,
      isBase64Encoded: false,
    };
    expect(await seen(event)).toEqual({
      method: "GET",
      url: "https://localhost/",
      headers: {},
      body: "",
    });
  });

  test.each([
    ["HTTP API on its $default stage", at("/prod/orders", "$default"), "/prod/orders"],
    ["HTTP API on a named stage", at("/prod/orders", "prod"), "/orders"],
    ["HTTP API on a named stage, at its root", at("/prod", "prod"), "/"],
    [
      "HTTP API on a named stage that begins another segment",
      at("/production", "prod"),
      "/production",
    ],
    [
      "HTTP API with payload format 1.0",
      { ...restApi, version: "1.0", path: "/prod/orders" },
      "/orders",
    ],
    [
      "REST API behind a custom domain, whose path is the app's",
      { ...restApi, path: "/prod/orders" },
      "/prod/orders",
    ],
  ])("%s", async (_name, event, path) => {
    expect(new URL((await seen(event)).url).pathname).toBe(path);
  });

  test.each([
    ["/a%2Fb%20c", "/a%2Fb%20c"],
    ["/what?/#1", "/what%3F/%231"],
    ["/a b/é", "/a%20b/%C3%A9"],
    ["/100%/%zz/%41", "/100%25/%25zz/%41"],
    ["//other.example/x", "//other.example/x"],
    ["/back\\slash", "/back%5Cslash"],
    ["", "/"],
  ])("the path %j keeps what was encoded and encodes what must be", async (rawPath, path) => {
    const { url } = await seen({ ...functionUrl, rawPath, rawQueryString: "" });
    expect(url).toBe(`https://abc123.lambda-url.eu-central-1.on.aws${path}`);
  });

  test("a base64 body keeps its bytes", async () => {
    const bytes = Buffer.from([0, 255, 128, 10]);
    const event = { ...functionUrl, body: bytes.toString("base64"), isBase64Encoded: true };
    let body: ArrayBuffer | undefined;
    await answerTo(event, async (request) => {
      body = await request.arrayBuffer();
      return new Response();
    });
    expect(Buffer.from(body as ArrayBuffer)).toEqual(bytes);
  });

  test("a text body gets no content type that nobody sent", async () => {
    const { headers } = await seen({ ...functionUrl, headers: { host: "h" }, body: "text" });
    expect(headers).toEqual({
      host: "h",
      cookie: "session=abc; theme=dark",
      "content-length": "4",
    });
  });

  test("a body on GET is dropped, as no request can have one", async () => {
    expect((await seen({ ...restApi, httpMethod: "GET" })).body).toBe("");
  });

  test("header values beyond ASCII arrive as their UTF-8 bytes and leave as text", async () => {
    let value: string | null = null;
    const event = { ...functionUrl, headers: { ...functionUrl.headers, "x-name": "Zoë ☃" } };
    const result = await answerTo(event, (request) => {
      value = request.headers.get("x-name");
      return new Response(null, { headers: { "x-name": value as string, "x-latin1": "\xe9" } });
    });
    expect(Buffer.from(value as unknown as string, "latin1").toString()).toBe("Zoë ☃");
    expect(result.headers).toEqual({ "x-name": "Zoë ☃", "x-latin1": "é" });
  });
});

test("a query keeps what follows a raw #, and a path without a slash is no host", async () => {
  const query = await seen({ ...functionUrl, rawQueryString: "a=#x&b=1" });
  expect(new URL(query.url).searchParams.get("a")).toBe("#x");
  expect(new URL(query.url).searchParams.get("b")).toBe("1");
  const path = await seen({
    ...restApi,
    path: "p",
    headers: { host: "h.example" },
    multiValueHeaders: null,
  });
  expect(new URL(path.url).host).toBe("h.example");
  expect(new URL(path.url).pathname).toBe("/p");
});

describe("a malformed request answers 400 without reaching the app", () => {
  test.each([
    ["host", { ...functionUrl, headers: { host: "not a host" } }],
    ["host with a path", { ...functionUrl, headers: { host: "evil.com/admin?x=" } }],
    ["host with a backslash", { ...functionUrl, headers: { host: "a\\b" } }],
    ["empty host", { ...functionUrl, headers: { host: "" } }],
    ["header", { ...functionUrl, headers: { host: "h", "x-bad": "a\nb" } }],
    ["method", { ...restApi, httpMethod: "CONNECT" }],
  ])("%s", async (_name, event) => {
    let reached = false;
    const result = await answerTo(event, () => {
      reached = true;
      return new Response();
    });
    expect(reached).toBe(false);
    expect(result.statusCode).toBe(400);
    expect(JSON.parse(result.body)).toEqual({
      errorCode: "ERR_MALFORMED_REQUEST",
      message: "the request has a malformed method, host or header",
    });
  });
});

function at(rawPath: string, stage: string): object {
  return { ...functionUrl, rawPath, requestContext: { ...functionUrl.requestContext, stage } };
}

async function seen(event: object) {
  let request:
    | { method: string; url: string; headers: Record<string, string>; body: string }
    | undefined;
  const result = await answerTo(event, async (original) => {
    const { method, url, headers } = original;
    request = { method, url, headers: Object.fromEntries(headers), body: await original.text() };
    return new Response();
  });
  expect(result.statusCode).toBe(200);
  if (!request) throw new Error("the app was not reached");
  return request;
}
