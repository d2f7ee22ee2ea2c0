import {
  bareRow,
  del,
  done,
  fails,
  get,
  info,
  json,
  malformed,
  plain,
  post,
  type Row,
  resource,
  row,
} from "./_rows.ts";

const store = "/v1.0/state/store";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const item = (key: string, more: object = { value: 1 }) => JSON.stringify([{ key, ...more }]);

const missing = info("DAPR_STATE_NOT_FOUND", { appID: "app" });
const unset = info("DAPR_STATE_NOT_CONFIGURED", { appID: "app" });
const notFound = fails(400, "ERR_STATE_STORE_NOT_FOUND", "state store nope is not found", [
  missing,
]);
const notConfigured = fails(
  500,
  "ERR_STATE_STORE_NOT_CONFIGURED",
  "state store store is not configured",
  [unset],
);

const illegal = (key: string) => {
  const message = `api error: code = InvalidArgument desc = input key/keyPrefix '${key}' can't contain '||'`;
  return fails(400, "ERR_MALFORMED_REQUEST", message, [
    {
      "@type": "type.googleapis.com/google.rpc.BadRequest",
      field_violations: [{ field: key, description: message }],
    },
    resource("store"),
    info("DAPR_STATE_ILLEGAL_KEY"),
  ]);
};

export const keyRows: readonly Row[] = [
  row("the ETag of an item changes with it", [
    post(store, item("etag-1"), done),
    get(`${store}/etag-1`, json("1", { etag: uuid })),
    post(store, '[{"key":"etag-1","value":2,"etag":"{etag}"}]', done),
    post(
      store,
      '[{"key":"etag-1","value":3,"etag":"{etag}"}]',
      fails(
        409,
        "ERR_STATE_SAVE",
        /^failed saving state in state store store: possible etag mismatch\. error from state store: /,
      ),
    ),
    get(`${store}/etag-1`, json("2")),
  ]),
  row("an ETag of an item that is not there is a mismatch", [
    post(
      store,
      item("etag-2", { etag: "1" }),
      fails(409, "ERR_STATE_SAVE", /possible etag mismatch/),
    ),
    get(`${store}/etag-2`, done),
  ]),
  row("an empty ETag is none", [
    post(store, item("etag-3", { etag: "" }), done),
    post(store, item("etag-3", { value: 2, etag: null }), done),
    get(`${store}/etag-3`, json("2")),
    del(`${store}/etag-3`, done, { "if-match": "" }),
    get(`${store}/etag-3`, done),
  ]),
  row("first-write without an ETag writes only where nothing is", [
    post(store, item("first", { value: 1, options: { concurrency: "first-write" } }), done),
    post(
      store,
      item("first", { value: 2, options: { concurrency: "first-write" } }),
      fails(409, "ERR_STATE_SAVE", /possible etag mismatch/),
    ),
    get(`${store}/first`, json("1")),
  ]),
  row("of several items one with a stale ETag makes it 409", [
    post(store, item("mixed-1"), done),
    post(
      store,
      '[{"key":"mixed-1","value":2,"etag":"stale"},{"key":"mixed-2","value":2}]',
      fails(409, "ERR_STATE_SAVE", /possible etag mismatch/),
    ),
    get(`${store}/mixed-1`, json("1")),
    get(`${store}/mixed-2`, json("2")),
  ]),
  row("deleting takes an item away, and what is not there is no error", [
    post(store, item("gone"), done),
    del(`${store}/gone`, done),
    get(`${store}/gone`, done),
    del(`${store}/gone`, done),
  ]),
  row("a stale ETag deletes nothing", [
    post(store, item("kept"), done),
    del(
      `${store}/kept`,
      fails(
        409,
        "ERR_STATE_DELETE",
        /^failed deleting state with key kept.*possible etag mismatch/,
      ),
      { "if-match": "stale" },
    ),
    get(`${store}/kept`, json("1")),
    del(`${store}/kept`, done, { "if-match": "{etag}" }),
    get(`${store}/kept`, done),
  ]),
  row("an ETag of an item that is not there deletes nothing, and says so", [
    del(`${store}/never`, fails(409, "ERR_STATE_DELETE", /possible etag mismatch/), {
      "if-match": "1",
    }),
  ]),
  row("an unknown concurrency is refused on a delete", [
    del(
      `${store}/odd-4?concurrency=x`,
      fails(
        500,
        "ERR_STATE_DELETE",
        "failed deleting state with key odd-4: unrecognized concurrency model 'x'",
      ),
    ),
  ]),
  row("keys are unescaped: a slash, a space, a plus, a percent sign, text beyond ASCII", [
    post(store, item("a/b"), done),
    get(`${store}/a%2Fb`, json("1")),
    get(`${store}/a%2fb`, json("1")),
    post(store, item("a b", { value: 2 }), done),
    get(`${store}/a%20b`, json("2")),
    get(`${store}/a+b`, json("2")),
    post(store, item("a+b", { value: 3 }), done),
    get(`${store}/a%2Bb`, json("3")),
    post(store, item("100%", { value: 4 }), done),
    get(`${store}/100%25`, json("4")),
    post(store, item("\u00fc", { value: 5 }), done),
    get(`${store}/%C3%BC`, json("5")),
  ]),
  row("keys of the JavaScript prototype are keys like any other", [
    get(`${store}/__proto__`, done),
    get(`${store}/constructor`, done),
    post(store, '[{"key":"__proto__","value":1}]', done),
    get(`${store}/__proto__`, json("1")),
    get(`${store}/toString`, done),
  ]),
  row("a store called bulk or transaction is read as a key by GET", [
    get(`${store}/bulk`, done),
    get(`${store}/transaction`, done),
    post(store, item("bulk"), done),
    get(`${store}/bulk`, json("1")),
    del(`${store}/bulk`, done),
  ]),
  row(
    "a bad escape is 400 in plain text",
    [get(`${store}/%zz`, { status: 400, headers: { "content-type": /^text\/plain/ } })],
    { raw: true },
  ),
  row(
    "an escape that is no UTF-8 is 400 in plain text",
    [
      get(
        `${store}/%ff`,
        plain(400, 'failed to unescape request parameter. Error: invalid URL escape in "%ff"\n'),
      ),
    ],
    { differs: "Dapr takes any byte for a part of a key" },
  ),
  row(
    "a query that is not percent-encoded is refused",
    [
      post(`${store}?metadata.ttlInSeconds=%zz`, item("bad-query"), malformed(/^the query/)),
      get(`${store}/bad-query`, done),
    ],
    { differs: "Dapr drops the parameter, and stores the item for ever" },
  ),
  row("a key with || is refused", [
    get(`${store}/a%7C%7Cb`, illegal("a||b")),
    del(`${store}/a%7C%7Cb`, illegal("a||b")),
    post(store, item("a||b"), illegal("a||b")),
  ]),
  row(
    "a key with a NUL is refused",
    [get(`${store}/a%00b`, malformed(/NUL/)), post(store, item("a\0b"), malformed(/NUL/))],
    { differs: "Dapr leaves that to the store" },
  ),
  row("a store that nobody declared is 400", [
    get("/v1.0/state/nope/key", notFound),
    post("/v1.0/state/nope", item("key"), notFound),
    del("/v1.0/state/nope/key", notFound),
    post("/v1.0/state/nope/bulk", "{}", notFound),
    post("/v1.0/state/nope/transaction", "{}", notFound),
  ]),
  row("the store is looked up before the body is read", [
    post("/v1.0/state/nope", "no JSON", notFound),
  ]),
  row("names of the JavaScript prototype are no stores", [
    get(
      "/v1.0/state/constructor/key",
      fails(400, "ERR_STATE_STORE_NOT_FOUND", "state store constructor is not found", [missing]),
    ),
    get(
      "/v1.0/state/__proto__/key",
      fails(400, "ERR_STATE_STORE_NOT_FOUND", "state store __proto__ is not found", [missing]),
    ),
  ]),
  bareRow("without any state store it is 500", [
    get("/v1.0/state/store/key", notConfigured),
    post("/v1.0/state/store", item("key"), notConfigured),
    del("/v1.0/state/store/key", notConfigured),
    post("/v1.0/state/store/bulk", "{}", notConfigured),
    post("/v1.0/state/store/transaction", "{}", notConfigured),
  ]),
];
