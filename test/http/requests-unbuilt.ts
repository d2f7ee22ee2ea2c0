import {
  bareRow,
  del,
  fails,
  get,
  info,
  malformed,
  plain,
  post,
  put,
  type Row,
  row,
  type Step,
  unmatched,
} from "./_rows.ts";

const pubsub = (name: string, metadata: object = {}) =>
  fails(404, "ERR_PUBSUB_NOT_FOUND", `pubsub ${name} is not found`, [
    info("DAPR_PUBSUB_NOT_FOUND", metadata),
  ]);
const binding = fails(
  500,
  "ERR_INVOKE_OUTPUT_BINDING",
  "error invoking output binding b: couldn't find output binding b",
);
const secrets = fails(500, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured");
const configuration = fails(
  500,
  "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
  "configuration stores not configured",
);
const placement = fails(400, "ERR_ACTOR_NO_PLACEMENT", "placement service is not configured");
const locks = fails(500, "ERR_LOCK_STORE_NOT_CONFIGURED", "lock store is not configured");
const crypto = fails(500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", "crypto providers not configured");
const scope = { appID: "app", namespace: "default" };
const job = (verb: string, code: string) =>
  fails(500, code, `failed to ${verb} job due to: scheduler clients are disabled`, [
    info(code, scope),
  ]);
const workflow = (version: string): Step[] => [
  post(`/${version}/workflows/dapr/order/start?instanceID=1`, "input", placement),
  get(`/${version}/workflows/dapr/1`, placement),
  post(`/${version}/workflows/dapr/1/raiseEvent/paid`, "data", placement),
  ...["terminate", "pause", "resume", "purge"].map((verb) =>
    post(`/${version}/workflows/dapr/1/${verb}`, "", placement),
  ),
];

export const unbuiltRows: readonly Row[] = [
  bareRow("no pubsub is found, whatever the topic", [
    post("/v1.0/publish/bus/orders", "{}", pubsub("bus")),
    put("/v1.0/publish/bus/a/b/c", "{}", pubsub("bus")),
    post(
      "/v1.0/publish/bus/t?metadata.rawPayload=true&x=1",
      "{}",
      pubsub("bus", { rawPayload: "true" }),
    ),
    post("/v1.0/publish/bulk/bus/orders", "[]", pubsub("bus")),
    post("/v1.0-alpha1/publish/bulk/bus/orders", "[]", pubsub("bus")),
    post("/v1.0/publish/bulk/orders", "[]", pubsub("bulk")),
    post("/v1.0/publish/__proto__/t", "{}", pubsub("__proto__")),
  ]),
  bareRow("no output binding is found", [
    post("/v1.0/bindings/b", '{"operation":"create","data":1}', binding),
    put("/v1.0/bindings/b", "{}", binding),
    post("/v1.0/bindings/b", "", malformed(/^failed deserializing HTTP body: /)),
    post("/v1.0/bindings/b", "[]", malformed(/^failed deserializing HTTP body: /)),
    post("/v1.0/bindings/b", '{"metadata":{"a":1}}', malformed(/^failed deserializing/)),
  ]),
  bareRow("no secret store is configured", [
    get("/v1.0/secrets/vault/key", secrets),
    get("/v1.0/secrets/vault/bulk", secrets),
  ]),
  bareRow(
    "no configuration store is configured",
    ["v1.0", "v1.0-alpha1"].flatMap((version) => [
      get(`/${version}/configuration/c?key=a`, configuration),
      get(`/${version}/configuration/c/subscribe`, configuration),
      get(`/${version}/configuration/c/1/unsubscribe`, configuration),
    ]),
  ),
  bareRow("no lock store is configured", [
    post("/v1.0-alpha1/lock/l", '{"resourceId":"r","lockOwner":"o","expiryInSeconds":60}', locks),
    post("/v1.0-alpha1/lock/l", '{"expiry_in_seconds":"60"}', locks),
    post("/v1.0-alpha1/lock/l", "", malformed("ExpiryInSeconds is not positive in lock store l")),
    post("/v1.0-alpha1/lock/l", "{}", malformed("ExpiryInSeconds is not positive in lock store l")),
    post("/v1.0-alpha1/lock/l", "no JSON", malformed(/^failed deserializing HTTP body: /)),
    post("/v1.0-alpha1/lock/l", "[]", malformed(/^failed deserializing HTTP body: /)),
    post("/v1.0-alpha1/unlock/l", "", locks),
    post("/v1.0-alpha1/unlock/l", "no JSON", malformed(/^failed deserializing HTTP body: /)),
  ]),
  bareRow("there is no placement of actors", [
    get("/v1.0/actors/Cart/1/method/pay", placement),
    post("/v1.0/actors/Cart/1/method/pay", "x", placement),
    put("/v1.0/actors/Cart/1/method/pay", "x", placement),
    del("/v1.0/actors/Cart/1/method/pay", placement),
    post("/v1.0/actors/Cart/1/state", "[]", placement),
    put("/v1.0/actors/Cart/1/state", "[]", placement),
    get("/v1.0/actors/Cart/1/state/key", placement),
    post("/v1.0/actors/Cart/1/reminders/r", "{}", placement),
    get("/v1.0/actors/Cart/1/reminders/r", placement),
    del("/v1.0/actors/Cart/1/reminders/r", placement),
    put("/v1.0/actors/Cart/1/timers/t", "{}", placement),
    del("/v1.0/actors/Cart/1/timers/t", placement),
    post("/v1.0/actors/Cart/1/state", "", malformed(/^failed deserializing HTTP body: /)),
    post("/v1.0/actors/Cart/1/timers/t", "x", malformed(/^failed deserializing HTTP body: /)),
    get(
      "/v1.0/actors/dapr.internal.default.app.workflow/1/state/key",
      fails(
        403,
        "ERR_ACTOR_TYPE_RESERVED",
        'actor type "dapr.internal.default.app.workflow" is reserved for the Dapr workflow runtime; direct actor API access is not permitted',
      ),
    ),
  ]),
  bareRow(
    "workflows have no actors to run on",
    ["v1.0", "v1.0-alpha1", "v1.0-beta1"].flatMap(workflow),
  ),
  bareRow(
    "jobs have no scheduler",
    ["v1.0", "v1.0-alpha1"].flatMap((version) => [
      post(
        `/${version}/jobs/j`,
        '{"schedule":"@daily"}',
        job("schedule", "DAPR_SCHEDULER_SCHEDULE_JOB"),
      ),
      post(
        `/${version}/jobs/j`,
        '{"due_time":"1s"}',
        job("schedule", "DAPR_SCHEDULER_SCHEDULE_JOB"),
      ),
      get(`/${version}/jobs/j`, job("get", "DAPR_SCHEDULER_GET_JOB")),
      del(`/${version}/jobs/j`, job("delete", "DAPR_SCHEDULER_DELETE_JOB")),
    ]),
  ),
  bareRow("a job is checked before the scheduler is asked", [
    post(
      "/v1.0/jobs/j",
      "{}",
      fails(400, "DAPR_SCHEDULER_SCHEDULE_EMPTY", "Schedule is empty", [
        info("DAPR_SCHEDULER_SCHEDULE_EMPTY", scope),
      ]),
    ),
    post(
      "/v1.0/jobs/j",
      '{"name":"j","schedule":"@daily"}',
      fails(400, "DAPR_SCHEDULER_JOB_NAME", "Set the job name in the url only", [
        info("DAPR_SCHEDULER_JOB_NAME", { appID: "app" }),
      ]),
    ),
    post("/v1.0/jobs/j", "x", malformed(/^failed deserializing HTTP body: /)),
  ]),
  bareRow("no crypto provider is configured", [
    put("/v1.0-alpha1/crypto/c/encrypt", "x", crypto),
    put("/v1.0-alpha1/crypto/c/decrypt", "x", crypto),
  ]),
  bareRow("subtle crypto is not implemented, as in Dapr's own builds", [
    ...["getkey", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"].map((verb) =>
      post(
        `/v1.0-alpha1/subtlecrypto/c/${verb}`,
        "{}",
        fails(501, "ERR_API_UNIMPLEMENTED", "this API is currently not implemented"),
      ),
    ),
    post("/v1.0-alpha1/subtlecrypto/c/sign", "x", malformed(/^failed deserializing/)),
  ]),
  bareRow("no conversation component is found", [
    ...["v1.0-alpha1", "v1.0-alpha2"].map((version) =>
      post(
        `/${version}/conversation/c/converse`,
        "{}",
        fails(400, "ERR_CONVERSATION_NOT_FOUND", "failed finding conversation component c"),
      ),
    ),
    post("/v1.0/conversation/c/converse", "{}", unmatched),
  ]),
  bareRow("a body that is too large is a read error where Dapr reads messages", [
    post("/v1.0-alpha1/unlock/l", "x".repeat(5_000_000), fails(400, "ERR_BODY_READ", /./)),
    post("/v1.0/jobs/j", "x".repeat(5_000_000), fails(400, "ERR_BODY_READ", /./)),
    post("/v1.0/bindings/b", "x".repeat(5_000_000), malformed()),
  ]),
];

export const plainRows: readonly Row[] = [
  row(
    "a bad escape outside of any route is 400",
    [
      get(
        "/v1.0/%zz",
        plain(
          400,
          'failed to unescape request parameter. Error: invalid URL escape in "/v1.0/%zz"\n',
        ),
      ),
    ],
    { raw: true, differs: "Go's server refuses it in words of its own" },
  ),
];
