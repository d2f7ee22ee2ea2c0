import { del, done, fails, get, json, malformed, post, put, type Row, row } from "./_rows.ts";

const store = "/v1.0/state/store";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const item = (key: string, more: object = { value: 1 }) => JSON.stringify([{ key, ...more }]);

/** Reads and writes of what was sent, value by value. */
const values: readonly [name: string, sent: string, stored: string][] = [
  ["an object", '{"b": 1, "a": [true, null]}', '{"b":1,"a":[true,null]}'],
  ["text, with its quotes", '"hi"', '"hi"'],
  ["empty text", '""', '""'],
  ["null", "null", "null"],
  ["false", "false", "false"],
  ["zero", "0", "0"],
  ["a float", "0.1", "0.1"],
  ["a number beyond 2^53, as float64", "9007199254740993", "9007199254740992"],
  ["an array", "[1,[2]]", "[1,[2]]"],
  ["text beyond ASCII", '"z\u00fcrich \ud83d\ude00"', '"z\u00fcrich \ud83d\ude00"'],
  ["escapes", '"a\\u0041\\n"', '"aA\\n"'],
  ["a property called __proto__", '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ["a property called constructor", '{"constructor":1}', '{"constructor":1}'],
];

export const stateRows: readonly Row[] = [
  ...values.map(([name, sent, stored], index) =>
    row(`the value is ${name}`, [
      post(store, `[{"key":"value-${index}","value":${sent}}]`, done),
      get(`${store}/value-${index}`, json(stored, { etag: uuid })),
    ]),
  ),
  row("a key that is not there is 204, not 404", [get(`${store}/absent`, done)]),
  row("an item without a value is null", [
    post(store, '[{"key":"valueless"}]', done),
    get(`${store}/valueless`, json("null")),
  ]),
  row("PUT saves as POST does", [put(store, item("put"), done), get(`${store}/put`, json("1"))]),
  row("several items are saved", [
    post(store, '[{"key":"several-1","value":1},{"key":"several-2","value":2}]', done),
    get(`${store}/several-1`, json("1")),
    get(`${store}/several-2`, json("2")),
  ]),
  row("an item that ends says when, and one written without an end stays", [
    post(store, item("ends", { value: 1, metadata: { ttlInSeconds: "100" } }), done),
    get(
      `${store}/ends`,
      json("1", { "metadata.ttlexpiretime": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/ }),
    ),
    post(store, item("ends"), done),
    get(`${store}/ends`, json("1", { "metadata.ttlexpiretime": null })),
  ]),
  row("metadata of the URL stands over that of an item", [
    post(
      `${store}?metadata.ttlInSeconds=-1`,
      item("url-1", { value: 1, metadata: { ttlInSeconds: "100" } }),
      done,
    ),
    get(`${store}/url-1`, json("1", { "metadata.ttlexpiretime": null })),
    post(`${store}?metadata.ttlInSeconds=100`, item("url-2"), done),
    get(`${store}/url-2`, json("1", { "metadata.ttlexpiretime": /Z$/ })),
  ]),
  row("of a repeated parameter the first counts", [
    post(`${store}?metadata.ttlInSeconds=100&metadata.ttlInSeconds=x`, item("first-value"), done),
    get(`${store}/first-value`, json("1", { "metadata.ttlexpiretime": /Z$/ })),
  ]),
  row("names of metadata are taken as they are spelt", [
    post(`${store}?Metadata.ttlInSeconds=100`, item("spelt-1"), done),
    get(`${store}/spelt-1`, json("1", { "metadata.ttlexpiretime": null })),
    post(store, item("spelt-2", { metadata: { ttlinseconds: "100" } }), done),
    get(`${store}/spelt-2`, json("null", { "metadata.ttlexpiretime": null })),
  ]),
  row("0, -1 and an empty time to live are none", [
    post(store, item("none-1", { metadata: { ttlInSeconds: "0" } }), done),
    get(`${store}/none-1`, json("null", { "metadata.ttlexpiretime": null })),
    post(store, item("none-2", { metadata: { ttlInSeconds: "" } }), done),
    get(`${store}/none-2`, json("null", { "metadata.ttlexpiretime": null })),
  ]),
  ...["abc", "1.5", "1e3", " 1", "0x10"].map((ttl) =>
    row(`a time to live of ${JSON.stringify(ttl)} is refused, and nothing is written`, [
      post(
        store,
        item("bad-ttl", { metadata: { ttlInSeconds: ttl } }),
        fails(500, "ERR_STATE_SAVE", /^failed saving state in state store store: /),
      ),
      get(`${store}/bad-ttl`, done),
    ]),
  ),
  ...["-2", "2147483648"].map((ttl) =>
    row(
      `a time to live of ${ttl} is refused`,
      [
        post(
          store,
          item("far-ttl", { metadata: { ttlInSeconds: ttl } }),
          fails(500, "ERR_STATE_SAVE", /incorrect value for metadata 'ttlInSeconds'/),
        ),
      ],
      { differs: "Dapr's in-memory store has a parser of its own, its other stores refuse it" },
    ),
  ),
  row("of several spellings of a name the last counts", [
    post(store, '[{"key":"first","KEY":"spelt-3","Value":1,"value":2}]', done),
    get(`${store}/spelt-3`, json("2")),
  ]),
  row("keys of a JSON body may be spelt in any case, and what is unknown is ignored", [
    post(store, '[{"KEY":"case","Value":2,"OPTIONS":{"Concurrency":"last-write"},"x":1}]', done),
    get(`${store}/case`, json("2")),
  ]),
  row("what follows the first value of a body is ignored", [
    post(store, `${item("trailing")} trailing`, done),
    get(`${store}/trailing`, json("1")),
  ]),
  row("no items are no error", [post(store, "[]", done), post(store, "null", done)]),
  row("an item without a key is refused", [
    post(store, '[{"value":1}]', malformed('"key" is a required field')),
    post(store, '[{"key":""}]', malformed('"key" is a required field')),
    post(store, '[{"key":null}]', malformed('"key" is a required field')),
    post(store, "[null]", malformed('"key" is a required field')),
    post(store, "[{}]", malformed('"key" is a required field')),
  ]),
  ...[
    ["an empty body", ""],
    ["text that is no JSON", "hello"],
    ["half a body", '[{"key":"half"'],
    ["an object", '{"key":"a"}'],
    ["a number", "5"],
    ["an array of numbers", "[5]"],
    ["a key that is a number", '[{"key":5}]'],
    ["an ETag that is a number", '[{"key":"a","etag":5}]'],
    ["metadata that is text", '[{"key":"a","metadata":"x"}]'],
    ["metadata with a number", '[{"key":"a","metadata":{"ttlInSeconds":5}}]'],
    ["options that are text", '[{"key":"a","options":"strong"}]'],
    ["concurrency that is a number", '[{"key":"a","options":{"concurrency":1}}]'],
    ["a content type that is a number", '[{"key":"a","contentType":1}]'],
    ["a number beyond float64", '[{"key":"a","value":1e999}]'],
  ].map(([name, body]) =>
    row(`saving ${name} is malformed`, [post(store, body ?? "", malformed())]),
  ),
  row(
    "a body that is no UTF-8 is malformed",
    [post(store, new Uint8Array([0x5b, 0x22, 0xff, 0x22, 0x5d]), malformed(/UTF-8/))],
    { differs: "Dapr stores U+FFFD in the place of what is no UTF-8" },
  ),
  row("a body that is too large is malformed, and never 413", [
    post(store, `[{"key":"large","value":"${"x".repeat(10_000_000)}"}]`, malformed(/./)),
    get(`${store}/large`, done),
  ]),
  row("a body of 4 MiB less a little is stored", [
    post(store, `[{"key":"most","value":"${"x".repeat(4_194_200)}"}]`, done),
    get(`${store}/most`, json(`"${"x".repeat(4_194_200)}"`)),
  ]),
  row("an unknown concurrency is refused", [
    post(
      store,
      item("odd-1", { options: { concurrency: "first" } }),
      fails(
        500,
        "ERR_STATE_SAVE",
        "failed saving state in state store store: unrecognized concurrency model 'first'",
      ),
    ),
    get(`${store}/odd-1`, done),
  ]),
  row("an unknown consistency is refused on a write", [
    post(
      store,
      item("odd-2", { options: { consistency: "some" } }),
      fails(
        500,
        "ERR_STATE_SAVE",
        "failed saving state in state store store: unrecognized consistency model 'some'",
      ),
    ),
    del(
      `${store}/odd-2?consistency=some`,
      fails(
        500,
        "ERR_STATE_DELETE",
        "failed deleting state with key odd-2: unrecognized consistency model 'some'",
      ),
    ),
  ]),
  row(
    "an unknown consistency is refused on a read",
    [
      get(
        `${store}/odd-3?consistency=some`,
        fails(
          500,
          "ERR_STATE_GET",
          "fail to get odd-3 from state store store: unrecognized consistency model 'some'",
        ),
      ),
    ],
    { differs: "Dapr's in-memory store does not look at it" },
  ),
  row("reads may ask for either consistency", [
    post(store, item("consistent"), done),
    get(`${store}/consistent?consistency=strong`, json("1")),
    get(`${store}/consistent?consistency=eventual`, json("1")),
    get(`${store}/consistent?consistency=`, json("1")),
  ]),
];
