import { describe, expect, test } from "vitest";
import { binaryEvent } from "../../src/contracts/cloudevents.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const attributes = { ce_id: "1", ce_source: "/s", ce_type: "t", ce_specversion: "1.0" };
const known = { id: "1", source: "/s", type: "t", specversion: "1.0" };
const parsed = (body: string, headers: Record<string, string>) =>
  JSON.parse(binaryEvent(bytes(body), headers) ?? "null");

describe("a message in binary mode is an event", () => {
  test.each<[type: string, body: string, data: object]>([
    ["application/json", '{"n":1}', { data: { n: 1 } }],
    ["application/problem+json; charset=utf-8", "[1]", { data: [1] }],
    ["application/json", "{rubbish", { data: "{rubbish" }],
    ["application/json", "", { data: "" }],
    ["text/plain", "1", { data: "1" }],
    ["application/octet-stream", "grün", { data_base64: "Z3LDvG4=" }],
  ])("with data of %s: %s", (type, body, data) => {
    const event = parsed(body, { ...attributes, "Content-Type": type });
    expect(event).toEqual({ ...known, datacontenttype: type, ...data });
  });

  test("whatever the case of its headers, with every attribute that it has", () => {
    const more = { CE_Subject: "s", ce_time: "2026-01-01T00:00:00Z", ce_own: '"x"', other: "y" };
    const event = parsed('{"n":1}', { ...attributes, ...more });
    const own = { subject: "s", time: "2026-01-01T00:00:00Z", own: '"x"' };
    const datacontenttype = "application/json";
    expect(event).toEqual({ ...known, ...own, datacontenttype, data: { n: 1 } });
  });

  test("with the digits that its numbers have", () => {
    expect(binaryEvent(bytes("12345678901234567890.125"), attributes)).toContain(
      '"data":12345678901234567890.125}',
    );
  });
});

test.each([
  ["has no attributes", { "content-type": "application/json" }],
  ["has no version", { ce_id: "1" }],
  ["is a whole event", { ...attributes, "content-type": "application/cloudevents+json" }],
])("a message that %s is none", (_what, headers) => {
  expect(binaryEvent(bytes("{}"), headers)).toBeUndefined();
});
