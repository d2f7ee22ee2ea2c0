import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  answerTo,
  functionUrl,
  loadBalancer,
  loadBalancerOfMany,
  restApi,
} from "./_lambda-events.ts";

describe("a response becomes what the sender takes", () => {
  const json = () =>
    Response.json(
      { ok: "é" },
      {
        status: 201,
        headers: [
          ["set-cookie", "a=1; Path=/"],
          ["set-cookie", "b=2, c"],
        ],
      },
    );

  test("function URL and HTTP API", async () => {
    expect(await answerTo(functionUrl, json)).toEqual({
      statusCode: 201,
      headers: { "content-type": "application/json" },
      cookies: ["a=1; Path=/", "b=2, c"],
      body: '{"ok":"é"}',
      isBase64Encoded: false,
    });
  });

  test("REST API", async () => {
    expect(await answerTo(restApi, json)).toEqual({
      statusCode: 201,
      headers: { "content-type": "application/json" },
      multiValueHeaders: { "set-cookie": ["a=1; Path=/", "b=2, c"] },
      body: '{"ok":"é"}',
      isBase64Encoded: false,
    });
  });

  test("load balancer: cookies apart by the case of their header's name", async () => {
    expect(await answerTo(loadBalancer, json)).toEqual({
      statusCode: 201,
      statusDescription: "201 Created",
      headers: {
        "content-type": "application/json",
        "set-cookie": "a=1; Path=/",
        "Set-cookie": "b=2, c",
      },
      body: '{"ok":"é"}',
      isBase64Encoded: false,
    });
  });

  test("load balancer with multi-value headers", async () => {
    expect(await answerTo(loadBalancerOfMany, json)).toEqual({
      statusCode: 201,
      statusDescription: "201 Created",
      multiValueHeaders: {
        "content-type": ["application/json"],
        "set-cookie": ["a=1; Path=/", "b=2, c"],
      },
      body: '{"ok":"é"}',
      isBase64Encoded: false,
    });
  });

  test.each([
    ["bytes", new Uint8Array([0, 255, 1]), { "content-type": "application/octet-stream" }],
    ["encoded text that happens to be UTF-8", Buffer.from("!"), { "content-encoding": "br" }],
    [
      "compressed text",
      gzipSync("text"),
      { "content-type": "text/plain", "content-encoding": "gzip" },
    ],
    [
      "text that is not UTF-8",
      new Uint8Array([233]),
      { "content-type": "text/plain; charset=latin1" },
    ],
    ["bytes of no type", new Uint8Array([255]), {}],
  ])("%s become base64", async (_name, bytes, headers) => {
    const { body, isBase64Encoded } = await answerTo(
      functionUrl,
      () => new Response(bytes, { headers }),
    );
    expect(isBase64Encoded).toBe(true);
    expect(Buffer.from(body, "base64")).toEqual(Buffer.from(bytes));
  });

  test.each([
    "text/html; charset=utf-8",
    "application/json",
    "application/cloudevents+json",
    "image/svg+xml",
    "application/x-www-form-urlencoded",
    undefined,
  ])("%s stays text, byte order mark and all", async (type) => {
    const bytes = Buffer.from("\ufeffé");
    const result = await answerTo(
      functionUrl,
      () => new Response(bytes, { headers: type ? { "content-type": type } : {} }),
    );
    expect(result.isBase64Encoded).toBe(false);
    expect(Buffer.from(result.body)).toEqual(bytes);
  });

  test.each([204, 304])("%d has no body", async (status) => {
    const result = await answerTo(
      functionUrl,
      () => new Response(null, { status, headers: { etag: '"1"' } }),
    );
    expect(result).toEqual({
      statusCode: status,
      headers: { etag: '"1"' },
      body: "",
      isBase64Encoded: false,
    });
  });

  test("the answer to HEAD has no body, and keeps what it says of it", async () => {
    const event = { ...loadBalancer, httpMethod: "HEAD" };
    expect(
      await answerTo(event, () => new Response("text", { headers: { "content-length": "4" } })),
    ).toEqual({
      statusCode: 200,
      statusDescription: "200 OK",
      headers: { "content-type": "text/plain;charset=UTF-8", "content-length": "4" },
      body: "",
      isBase64Encoded: false,
    });
  });
});
