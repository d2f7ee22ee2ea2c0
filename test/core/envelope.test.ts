import { expect, test } from "vitest";
import { buildEnvelope, parseEnvelope, passEnvelope } from "../../src/blocks/pubsub/envelope.ts";

const common = {
  contentType: "application/json",
  topic: "orders",
  pubsub: "pubsub",
  source: "shop",
  now: Date.UTC(2026, 0, 2, 3, 4, 5),
  trace: {},
  attributes: {},
  uuid: () => "id-1",
};

test("an envelope is written as Dapr writes it: its attributes, their order, empty ones of a trace", () => {
  const { id, text } = buildEnvelope({
    ...common,
    payload: { json: '{"n":12345678901234567890}' },
  });
  expect(id).toBe("id-1");
  expect(text).toBe(
    '{"data":{"n":12345678901234567890},"datacontenttype":"application/json","id":"id-1","pubsubname":"pubsub","source":"shop","specversion":"1.0","time":"2026-01-02T03:04:05Z","topic":"orders","traceid":"","traceparent":"","tracestate":"","type":"com.dapr.event.sent"}',
  );
});

test("a trace, baggage, an end and attributes of the publisher's own have their places", () => {
  const { text } = buildEnvelope({
    ...common,
    payload: { text: 'a "b"' },
    contentType: "text/plain",
    expires: common.now + 5000,
    trace: { traceparent: "00-1", tracestate: "s", baggage: "k=v" },
    attributes: { id: "own", source: "me", type: "t", subject: "sub" },
  });
  expect(text).toBe(
    '{"baggage":"k=v","data":"a \\"b\\"","datacontenttype":"text/plain","expiration":"2026-01-02T03:04:10Z","id":"own","pubsubname":"pubsub","source":"me","specversion":"1.0","subject":"sub","time":"2026-01-02T03:04:05Z","topic":"orders","traceid":"00-1","traceparent":"00-1","tracestate":"s","type":"t"}',
  );
});

test("bytes travel as data_base64 and come back as bytes", () => {
  const bytes = new Uint8Array([0, 255, 1]);
  const { text } = buildEnvelope({
    ...common,
    payload: { bytes },
    contentType: "application/octet-stream",
  });
  expect(JSON.parse(text)).toMatchObject({ data_base64: "AP8B" });
  expect(parseEnvelope(text).data).toEqual(bytes);
});

test("a ready-made event keeps its own attributes, gets topic and component, and no id", () => {
  const event = { type: "mine", data: 1, topic: "other", time: "" };
  const { id, text } = passEnvelope({ ...common, event, trace: { traceparent: "00-2" } });
  expect(id).toBeUndefined();
  expect(JSON.parse(text)).toEqual({
    data: 1,
    pubsubname: "pubsub",
    source: "Dapr",
    specversion: "1.0",
    time: "2026-01-02T03:04:05Z",
    topic: "orders",
    traceid: "00-2",
    traceparent: "00-2",
    tracestate: "",
    type: "mine",
  });
});

test.each([
  ["what is no JSON", "{", /it is no JSON/],
  ["JSON that is no object", "[1]", /it is JSON and no object/],
  ["data_base64 that is not base64", '{"data_base64":"*"}', /not base64/],
])("%s is no event", (_name, text, problem) => {
  expect(() => parseEnvelope(text)).toThrow(problem);
});

test("whatever a name or an id holds is written as JSON writes it", () => {
  const odd = ['a"b', "a\\b", "ü", "a\nb", "\u2028", "\ud800", "<&>", "plain-1/2.x y:z;c=d"];
  for (const text of odd) {
    const attributes = { id: text, source: text, subject: text, tracestate: text };
    const event = { ...common, payload: { text }, topic: text, pubsub: text, attributes };
    const written = buildEnvelope(event).text;
    const shown = JSON.stringify(text);
    expect(written).toContain(`"id":${shown},"pubsubname":${shown},"source":${shown}`);
    expect(JSON.parse(written)).toMatchObject({ topic: text, subject: text, tracestate: text });
  }
});

test("times are written to the second, in UTC", () => {
  const timeOf = (now: number) =>
    JSON.parse(buildEnvelope({ ...common, payload: { text: "" }, now }).text).time;
  expect(timeOf(Date.UTC(2026, 10, 9, 23, 59, 59, 999))).toBe("2026-11-09T23:59:59Z");
  expect(timeOf(Date.UTC(2024, 1, 29))).toBe("2024-02-29T00:00:00Z");
});

test("an event does not end before its time is over", () => {
  const endOf = (expires: number) =>
    JSON.parse(buildEnvelope({ ...common, payload: { text: "" }, expires }).text).expiration;
  expect(endOf(common.now + 1)).toBe("2026-01-02T03:04:06Z");
  expect(endOf(common.now + 1000)).toBe("2026-01-02T03:04:06Z");
  const passed = passEnvelope({ ...common, event: { id: "1" }, expires: common.now + 1 });
  expect(JSON.parse(passed.text).expiration).toBe("2026-01-02T03:04:06Z");
});
