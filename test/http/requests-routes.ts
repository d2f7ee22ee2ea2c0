import {
  bareRow,
  done,
  fails,
  get,
  json,
  post,
  put,
  type Row,
  row,
  send,
  unmatched,
} from "./_rows.ts";

const store = "/v1.0/state/store";

export const routeRows: readonly Row[] = [
  row(
    "a path or a method without a route is 404 with ERR_DIRECT_INVOKE, and never 405",
    [
      "/",
      "/v1.0",
      "/v1.0/",
      "/v1.0/nothing",
      "/v2.0/metadata",
      "/v1.0/state",
      "/v1.0/state/store",
      `${store}/a/b`,
      "/V1.0/metadata",
      "/v1.0/Metadata",
      "/v1.0-alpha1/state/store/key",
      "/v1.0/publish/bus",
      "/v1.0-alpha1/metadata",
      "/v1.0/__proto__",
      "/__proto__/constructor",
      "/v1.0/lock/store",
      "/healthz",
    ].map((path) => get(path, unmatched)),
  ),
  row(
    "a method that a path does not have is no 405",
    (
      [
        ["POST", `${store}/key`],
        ["PATCH", `${store}/key`],
        ["DELETE", store],
        ["OPTIONS", store],
        ["GET", store],
        ["PUT", "/v1.0/metadata"],
        ["POST", "/v1.0/metadata"],
        ["POST", "/v1.0/healthz"],
        ["GET", "/v1.0/shutdown"],
        ["POST", "/v1.0/secrets/s/k"],
        ["DELETE", "/v1.0/secrets/s/k"],
        ["GET", "/v1.0/publish/p/t"],
        ["GET", "/v1.0/bindings/b"],
        ["PUT", "/v1.0-alpha1/lock/s"],
        ["POST", "/v1.0-alpha1/crypto/c/encrypt"],
        ["PUT", "/v1.0/jobs/j"],
        ["QUERY", `${store}/key`],
      ] as const
    ).map(([method, path]) => send(method, path, undefined, unmatched)),
  ),
  row("HEAD has no routes and no body", [
    send("HEAD", "/v1.0/metadata", undefined, { status: 404, body: "" }),
    send("HEAD", `${store}/key`, undefined, { status: 404, body: "" }),
  ]),
  row("a slash at the end is none", [
    post(`${store}/`, '[{"key":"slash","value":1}]', done),
    get(`${store}/slash/`, json("1")),
    get("/v1.0/healthz/", done),
  ]),
  row(
    "a path is cleaned before it is matched",
    [
      post("//v1.0///state/./store", '[{"key":"clean","value":1}]', done),
      get("/v1.0/nothing/../state/store/clean", json("1")),
      get("/../../v1.0/state/store/clean//", json("1")),
      get("/v1.0/state/store/x/..", unmatched),
    ],
    { raw: true },
  ),
  row(
    "escaped dots are a key like any other",
    [post(store, '[{"key":"..","value":1}]', done), get(`${store}/%2E%2E`, json("1"))],
    { raw: true },
  ),
  row(
    "an app is invoked by path, by header or by authorization, and there is none",
    (
      [
        ["/v1.0/invoke/shop/method/orders", {}],
        ["/v1.0/invoke/shop/method/orders/1?x=1", {}],
        ["/anything", { "dapr-app-id": "shop" }],
        ["/v1.0/invoke/other/method/x", { "dapr-app-id": "shop" }],
        ["/anything", { authorization: `Basic ${btoa("dapr-app-id:shop")}` }],
      ] as const
    ).map(([path, headers]) =>
      get(path, fails(500, "ERR_DIRECT_INVOKE", /^failed to invoke, id: shop, err: /), headers),
    ),
  ),
  row("a route goes before the header that names an app", [
    get(`${store}/routed`, done, { "dapr-app-id": "shop" }),
  ]),
  row("an invocation that names no app or no method has no route", [
    get("/v1.0/invoke", unmatched),
    get("/v1.0/invoke/shop", unmatched),
    get("/v1.0/invoke/shop/method", unmatched),
    get("/anything", unmatched, { authorization: "Basic !!!" }),
    get("/anything", unmatched, { authorization: `Basic ${btoa("someone:secret")}` }),
    get("/anything", unmatched, { authorization: `Basic ${btoa("dapr-app-id:a:b")}` }),
    get("/anything", unmatched, { authorization: "Bearer x" }),
  ]),
];

const capabilities = ["ETAG", "TRANSACTIONAL", "TTL", "LIST", "ACTOR"];
const actorRuntime = {
  runtimeStatus: "DISABLED",
  hostReady: false,
  placement: "placement: disconnected",
};
const metadata = (components: object[] | undefined, more: object = {}) =>
  json(
    `${JSON.stringify({
      id: "app",
      runtimeVersion: "1.18.3+pillion",
      components,
      extended: { daprRuntimeVersion: "1.18.3+pillion", ...more },
      actorRuntime,
    })}\n`,
  );
const components = [{ name: "store", type: "state.in-memory", version: "v1", capabilities }];
const ownVersion = "the version is Dapr's with a mark of ours, and the store lists keys";

export const systemRows: readonly Row[] = [
  row("metadata names the app and its components", [get("/v1.0/metadata", metadata(components))], {
    differs: ownVersion,
    only: "mounted",
  }),
  bareRow("metadata leaves out what is empty", [get("/v1.0/metadata", metadata(undefined))], {
    differs: ownVersion,
    only: "mounted",
  }),
  row(
    "metadata is written in a process, and shows",
    [
      put("/v1.0/metadata/color", "blue", done),
      put("/v1.0/metadata/color", "green <&>", done),
      put("/v1.0/metadata/__proto__", "x", done),
      put("/v1.0/metadata/empty", "", done),
      get("/v1.0/metadata", {
        status: 200,
        headers: { "content-type": "application/json" },
      }),
    ],
    { only: "process" },
  ),
  row(
    "metadata that is too large cannot be read",
    [
      put(
        "/v1.0/metadata/large",
        "x".repeat(5_000_000),
        fails(400, "ERR_BODY_READ", /^failed to read request body: /),
      ),
    ],
    { only: "process" },
  ),
  row(
    "elsewhere nothing shuts down or writes metadata",
    [put("/v1.0/metadata/color", "blue", unmatched), post("/v1.0/shutdown", "", unmatched)],
    { differs: "it is a process", only: "mounted" },
  ),
  row("health is 204", [
    get("/v1.0/healthz", done),
    get("/v1.0/healthz/outbound", done),
    get("/v1.0/healthz?appid=app", done),
    get(
      "/v1.0/healthz?appid=other",
      fails(500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match"),
    ),
    get("/v1.0/healthz?appid=", fails(500, "ERR_HEALTH_APPID_NOT_MATCH", /./)),
  ]),
  row(
    "the caller's trace context is on the response, and none of our own",
    [
      get(
        `${store}/traced`,
        {
          status: 204,
          headers: {
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            tracestate: "a=1,b=2",
            baggage: "user=1;p, team=x%20y",
          },
        },
        {
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          tracestate: "a=1,b=2",
          baggage: "user=1;p, team=x%20y",
        },
      ),
      get(`${store}/traced`, { status: 204, headers: { traceparent: null, baggage: null } }),
      get(`${store}/traced`, { status: 204, headers: { traceparent: null } }, { traceparent: "x" }),
    ],
    { differs: "Dapr samples one request in ten thousand, and names a span of its own" },
  ),
  row("baggage goes without a trace", [
    get(`${store}/traced`, { status: 204, headers: { baggage: "a=1" } }, { baggage: "a=1" }),
  ]),
  ...["nothing", "=1", "a=1,,b=2", "a b=1", "a=%zz", 'a="1"'].map((baggage) =>
    row(`the baggage ${baggage} is refused`, [
      get(
        `${store}/traced`,
        { status: 400, headers: { "content-type": "text/plain; charset=utf-8" } },
        { baggage },
      ),
    ]),
  ),
  row("probes look at no baggage", [get("/v1.0/healthz", done, { baggage: "nothing" })]),
];
