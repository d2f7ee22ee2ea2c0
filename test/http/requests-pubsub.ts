import { type Answer, done, fails, info, post, put, type Row, rowOn } from "./_rows.ts";

const row = rowOn("bus");
const bus = "/v1.0/publish/bus";
const bulk = "/v1.0/publish/bulk/bus/orders";
const type = (text: string) => ({ "content-type": text });
const entry = (more: object) => ({ event: {}, contentType: "application/json", ...more });
const list = (...entries: readonly object[]) => JSON.stringify(entries);

const resource = (description: string) => ({
  "@type": "type.googleapis.com/google.rpc.ResourceInfo",
  description,
  owner: "",
  resource_name: "bus",
  resource_type: "pubsub",
});

/** With the details that Dapr adds, where all of the words are Dapr's. */
const refused = (
  status: number,
  code: string,
  message: string,
  reason: string,
  metadata: object,
): Answer =>
  fails(status, code, message, [resource(message), info(`DAPR_PUBSUB_${reason}`, metadata)]);

const forbidden = (topic: string) =>
  fails(403, "ERR_PUBSUB_FORBIDDEN", `topic ${topic} is not allowed for app id app`);
const unread = (message: RegExp) => fails(400, "ERR_PUBSUB_EVENTS_SER", message);
const mismatch = unread(
  /^error when marshalling cloud event envelope for topic orders pubsub bus: error: mismatch between contentType and event$/,
);
const entryId = "error marshaling events to bytes for topic orders pubsub bus. error: ";
const twice = refused(
  400,
  "ERR_PUBSUB_EVENTS_SER",
  `${entryId}entryId is duplicated or not present for entry`,
  "MARSHAL_EVENTS",
  { appID: "app", error: "entryId is duplicated or not present for entry" },
);

export const pubsubRows: readonly Row[] = [
  row("a message is published, whatever its body, its type and its topic", [
    post(`${bus}/orders`, '{"n":1}', done, type("application/json")),
    put(`${bus}/orders`, "text", done),
    post(`${bus}/orders`, "no JSON", done, type("application/json")),
    post(`${bus}/orders`, "", done),
    post(`${bus}/a/b/c`, "x", done, type("text/plain; charset=utf-8")),
    post(`${bus}/a%2Fb+c`, new Uint8Array([0, 255]), done, type("application/octet-stream")),
    post(`${bus}/orders?metadata.rawPayload=true`, "x", done),
    post(`${bus}/orders?metadata.ttlInSeconds=10&x=y`, "x", done),
    post(`${bus}/orders?metadata.cloudevent.id=7&metadata.own=1`, "x", done),
  ]),
  row("a ready-made event is passed on, and must be one", [
    post(`${bus}/orders`, '{"id":"1"}', done, type("application/cloudevents+json")),
    ...["no JSON", "[]", '"text"', ""].map((body) =>
      post(
        `${bus}/orders`,
        body,
        fails(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", "cannot create cloudevent"),
        type("application/cloudevents+json"),
      ),
    ),
  ]),
  row("metadata is checked", [
    post(
      `${bus}/orders?metadata.rawPayload=maybe&metadata.a=b`,
      "x",
      fails(400, "ERR_PUBSUB_REQUEST_METADATA", /^failed deserializing metadata\. Error: /),
    ),
  ]),
  row(
    "a time to live that is none is refused",
    ["0", "-1", "soon"].map((ttl) =>
      post(
        `${bus}/orders?metadata.ttlInSeconds=${ttl}`,
        "x",
        fails(400, "ERR_PUBSUB_REQUEST_METADATA", /ttlInSeconds must be/),
      ),
    ),
    { differs: "daprd publishes it as if it had none" },
  ),
  row("the component's scopes are obeyed", [
    post("/v1.0/publish/scoped/open", "x", done),
    post("/v1.0/publish/scoped/closed", "x", forbidden("closed")),
    post("/v1.0/publish/scoped/unknown", "x", forbidden("unknown")),
    post("/v1.0/publish/bulk/scoped/closed", list(entry({ entryId: "1" })), forbidden("closed")),
  ]),
  row("a body that is too large is a failed publish", [
    post(
      `${bus}/orders`,
      "x".repeat(5_000_000),
      fails(
        500,
        "ERR_PUBSUB_PUBLISH_MESSAGE",
        /^error when publishing to topic orders in pubsub bus: /,
      ),
    ),
  ]),
  row("several messages are published, under both versions", [
    post(bulk, list(entry({ entryId: "1" }), entry({ entryId: "2", event: "text" })), done),
    put("/v1.0-alpha1/publish/bulk/bus/a/b", list(entry({ entryId: "1" })), done),
    post(bulk, "[]", done),
    post(bulk, "null", done),
    post(bulk, list({ ENTRYID: "1", Event: 1, ContentType: "application/json" }), done),
    post(bulk, list(entry({ entryId: "1", metadata: { ttlInSeconds: "9" } })), done),
    post(
      bulk,
      list(
        entry({ entryId: "1", event: "aGk=", contentType: "application/octet-stream" }),
        entry({ entryId: "2", event: "text", contentType: "text/plain; charset=utf-8" }),
        entry({ entryId: "3", event: "<a/>", contentType: "application/xml" }),
        entry({ entryId: "4", event: { id: "1" }, contentType: "application/cloudevents+json" }),
        entry({ entryId: "5", event: [1], contentType: "application/hal+json" }),
      ),
      done,
    ),
  ]),
  row("entries must be named, and each by a name of its own", [
    post(bulk, list(entry({})), twice),
    post(bulk, list(entry({ entryId: "" })), twice),
    post(bulk, list(entry({ entryId: "1" }), entry({ entryId: "1" })), twice),
  ]),
  row("an entry's event must fit its content type", [
    ...["", "image/png", "application/x-www-form-urlencoded"].map((contentType) =>
      post(bulk, list(entry({ entryId: "1", contentType })), mismatch),
    ),
    post(bulk, list(entry({ entryId: "1", contentType: "text/plain" })), mismatch),
    post(bulk, list(entry({ entryId: "1", contentType: "application/octet-stream" })), mismatch),
    post(
      bulk,
      list(entry({ entryId: "1", event: "no base64!", contentType: "application/octet-stream" })),
      unread(/^error when marshalling cloud event envelope for topic orders pubsub bus: /),
    ),
    post(
      bulk,
      list(
        entry({ entryId: "1" }),
        entry({ entryId: "2", event: [], contentType: "application/cloudevents+json" }),
      ),
      fails(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", "cannot create cloudevent"),
    ),
  ]),
  row(
    "a bulk that cannot be read is refused",
    ["", "{}", "no JSON", "[1]", '[{"entryId":1}]', '[{"entryId":"1","metadata":{"a":1}}]'].map(
      (body) =>
        post(
          bulk,
          body,
          unread(/^error when unmarshaling the request for topic orders pubsub bus: /),
        ),
    ),
  ),
  row("a pubsub that is not there is not found, nor a state store", [
    post(
      "/v1.0/publish/nowhere/t",
      "x",
      fails(404, "ERR_PUBSUB_NOT_FOUND", "pubsub nowhere is not found"),
    ),
    post(
      "/v1.0/publish/store/t",
      "x",
      fails(404, "ERR_PUBSUB_NOT_FOUND", "pubsub store is not found"),
    ),
    post(
      "/v1.0/state/bus",
      "[]",
      fails(400, "ERR_STATE_STORE_NOT_FOUND", "state store bus is not found"),
    ),
  ]),
];
