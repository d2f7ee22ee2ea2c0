import { describe, expect, test } from "vitest";
import { type AccessRule, createApi } from "../../src/http/index.ts";
import { throughHandle } from "./_run.ts";
import { apiWith } from "./_stores.ts";

const key = "/v1.0/state/store/key";
const write = { method: "POST", path: "/v1.0/state/store", body: '[{"key":"key","value":1}]' };

describe("with a token", () => {
  const { api } = apiWith({ token: "secret" });
  const send = throughHandle(api);

  test.each([
    ["none", {}],
    ["an empty one", { "dapr-api-token": "" }],
    ["another", { "dapr-api-token": "Secret" }],
    ["its beginning", { "dapr-api-token": "secre" }],
    ["a longer one", { "dapr-api-token": "secretsecret" }],
    ["two of them", { "dapr-api-token": "secret, secret" }],
  ])("a request with %s is refused, and changes nothing", async (_what, headers) => {
    expect(await send({ ...write, headers })).toEqual({
      status: 401,
      headers: {
        "content-type": "text/plain; charset=utf-8",
        "x-content-type-options": "nosniff",
      },
      body: "invalid api token\n",
    });
    const headersOf = { "dapr-api-token": "secret" };
    expect((await send({ method: "GET", path: key, headers: headersOf })).status).toBe(204);
  });

  test("the token lets a request through", async () => {
    const headers = { "dapr-api-token": "secret" };
    const path = "/v1.0/state/store/through";
    const body = '[{"key":"through","value":1}]';
    expect((await send({ ...write, body, headers })).status).toBe(204);
    expect((await send({ method: "GET", path, headers })).body).toBe("1");
  });

  test.each([
    ["GET", "/v1.0/healthz", 204],
    ["GET", "/v1.0/healthz/", 204],
    ["GET", "/v1.0/healthz/outbound", 204],
    ["HEAD", "/v1.0/healthz", 401],
    ["POST", "/v1.0/healthz", 401],
    ["GET", "/v1.0/healthz/inbound", 401],
    ["GET", "/v1.0/metadata", 401],
    ["GET", "/nothing", 401],
    ["GET", "/v1.0/invoke/healthz/method/v1.0/healthz", 401],
    ["GET", "/v1.0/state/store/healthz", 401],
  ])("%s %s is answered without it: %i", async (method, path, status) => {
    expect((await send({ method, path, headers: {} })).status).toBe(status);
  });

  test("the variable DAPR_API_TOKEN is one as well, also through fetch's environment", async () => {
    const probe = { method: "GET", path: key, headers: {} };
    const fromHost = throughHandle(apiWith({ env: { DAPR_API_TOKEN: "secret" } }).api);
    expect((await fromHost(probe)).status).toBe(401);
    const unset = throughHandle(apiWith({ env: { DAPR_API_TOKEN: "" } }).api);
    expect((await unset(probe)).status).toBe(204);
    const mounted = createApi({ id: "app", components: {} });
    const request = () => new Request("http://localhost/v1.0/metadata");
    expect((await mounted.fetch(request(), { DAPR_API_TOKEN: "secret" })).status).toBe(401);
  });

  test("a token of the settings stands over the variable", async () => {
    const { api } = apiWith({ token: "a", env: { DAPR_API_TOKEN: "b" } });
    const headers = { "dapr-api-token": "a" };
    const got = await throughHandle(api)({ method: "GET", path: key, headers });
    expect(got.status).toBe(204);
  });
});

describe("origins", () => {
  const origin = "https://shop.example";
  const asking = (from: string, method = "PUT") => ({
    method: "OPTIONS",
    path: key,
    headers: {
      origin: from,
      "access-control-request-method": method,
      "access-control-request-headers": "content-type, dapr-api-token",
    },
  });

  test("without any there are no CORS headers, and OPTIONS has no route", async () => {
    const send = throughHandle(apiWith().api);
    expect((await send(asking(origin))).status).toBe(404);
    const { headers } = await send({ method: "GET", path: key, headers: { origin } });
    expect(headers).toEqual({});
  });

  test.each([
    ["one that is allowed", [origin], origin, origin],
    ["one in other letters", ["https://SHOP.example"], origin, origin],
    ["one of a pattern", ["https://*.example"], origin, origin],
    ["any", ["*"], origin, "*"],
  ])("a page of %s may call", async (_name, allowedOrigins, from, allowed) => {
    const send = throughHandle(apiWith({ allowedOrigins, token: "secret" }).api);
    // The browser asks without a token.
    expect(await send(asking(from))).toEqual({
      status: 200,
      headers: {
        vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "access-control-allow-origin": allowed,
        "access-control-allow-methods": "PUT",
        "access-control-allow-headers": "Content-Type, Dapr-Api-Token",
      },
      body: "",
    });
    const headers = { origin: from, "dapr-api-token": "secret" };
    expect((await send({ method: "GET", path: key, headers })).headers).toEqual({
      vary: "Origin",
      "access-control-allow-origin": allowed,
    });
  });

  test.each([
    ["another", [origin], "https://other.example"],
    ["the end of a pattern alone", ["https://shop*shop.example"], "https://shop.example"],
    ["one that only begins so", [origin], "https://shop.example.evil.test"],
    ["no", [origin], ""],
  ])("a page of %s origin may not", async (_name, allowedOrigins, from) => {
    const send = throughHandle(apiWith({ allowedOrigins }).api);
    const asked = await send(asking(from));
    expect({ ...asked, headers: Object.keys(asked.headers) }).toEqual({
      status: 200,
      headers: ["vary"],
      body: "",
    });
    const { headers } = await send({ method: "GET", path: key, headers: { origin: from } });
    expect(headers).toEqual({ vary: "Origin" });
  });

  test("a method that no page needs is not allowed", async () => {
    const send = throughHandle(apiWith({ allowedOrigins: [origin] }).api);
    expect(Object.keys((await send(asking(origin, "CONNECT"))).headers)).toEqual(["vary"]);
  });

  test("an error can be read by the page as well", async () => {
    const send = throughHandle(apiWith({ allowedOrigins: [origin], token: "secret" }).api);
    const { status, headers } = await send({ method: "GET", path: key, headers: { origin } });
    expect([status, headers["access-control-allow-origin"]]).toEqual([401, origin]);
  });
});

describe("lists of what is allowed", () => {
  const state: AccessRule = { name: "state", version: "v1.0" };
  const statuses = async (settings: object, paths: readonly string[]) => {
    const send = throughHandle(apiWith({ ...settings, process: {} }).api);
    const all = paths.map((path) => send({ method: "GET", path, headers: {} }));
    return (await Promise.all(all)).map(({ status }) => status);
  };
  const paths = [key, "/v1.0/metadata", "/v1.0/secrets/s/k", "/v1.0/healthz"];

  test("an allow-list lets nothing else through but health", async () => {
    expect(await statuses({ allowed: [state] }, paths)).toEqual([204, 404, 404, 204]);
  });

  test("a deny-list takes away what it names", async () => {
    expect(await statuses({ denied: [state] }, paths)).toEqual([404, 200, 500, 204]);
  });

  test("what is denied is not allowed", async () => {
    const both = { allowed: [state], denied: [state] };
    expect(await statuses(both, paths)).toEqual([404, 404, 404, 204]);
  });

  test.each(["v1", "v1.0"])("the version may be %s", async (version) => {
    const denied = [{ name: "metadata", version }];
    expect(await statuses({ denied }, paths)).toEqual([204, 404, 500, 204]);
  });

  test("a version is not another's", async () => {
    const denied = [{ name: "configuration", version: "v1alpha1" }];
    const both = ["/v1.0/configuration/c", "/v1.0-alpha1/configuration/c"];
    expect(await statuses({ denied }, both)).toEqual([500, 404]);
  });

  test("health cannot be denied", async () => {
    const denied = [{ name: "healthz", version: "v1.0" }];
    expect(await statuses({ denied }, ["/v1.0/healthz", "/v1.0/healthz/outbound"])).toEqual([
      204, 204,
    ]);
  });

  test("rules for gRPC say nothing here", async () => {
    const denied = [{ ...state, protocol: "grpc" as const }];
    expect(await statuses({ denied }, paths)).toEqual([204, 200, 500, 204]);
  });

  test("what is denied is 404 with ERR_DIRECT_INVOKE, also an invocation", async () => {
    const { api } = apiWith({ denied: [{ name: "invoke", version: "v1.0" }] });
    const headers = { "dapr-app-id": "shop" };
    const got = await throughHandle(api)({ method: "GET", path: "/orders", headers });
    expect(got.status).toBe(404);
    expect(JSON.parse(got.body).errorCode).toBe("ERR_DIRECT_INVOKE");
  });

  test.each([
    { name: "sate", version: "v1.0" },
    { name: "state", version: "v3" },
    { name: "state", version: "constructor" },
    { name: "", version: "v1.0" },
  ])("a rule that speaks of nothing is refused: %o", (rule) => {
    expect(() => apiWith({ denied: [rule] })).toThrow(/^the API has no .* to allow or deny/);
  });
});
