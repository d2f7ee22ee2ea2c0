import { describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { OutgoingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { throughHandle } from "./_run.ts";
import { apiWith } from "./_stores.ts";

type Sent = OutgoingMessage & { readonly topic: string };

/** A bus that keeps what is published, and fails where `fails` says so. */
function busOf(fails: (text: string) => boolean = () => false) {
  const sent: Sent[] = [];
  const component = memory.pubsub({});
  const bus: Component = {
    ...component,
    open: (host, name) => ({
      ...(component.open(host, name) as PubSub),
      async publish(topic, message) {
        if (fails(textOf(message))) throw new ComponentError("unavailable", "no broker: grün");
        sent.push({ ...message, topic });
      },
    }),
  };
  const { api } = apiWith({ components: { bus } });
  const through = throughHandle(api);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    through({
      method: "POST",
      path: `/v1.0/publish/${path}`,
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return { sent, post, events: () => sent.map((message) => JSON.parse(textOf(message))) };
}

function textOf({ data }: OutgoingMessage): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("what is published", () => {
  test("is an event with the request's type, trace and attributes", async () => {
    const { post, sent, events } = busOf();
    const query = "metadata.cloudevent.id=7&metadata.CloudEvent.subject=s&metadata.own=x";
    const headers = { "content-type": "application/json; charset=utf-8", traceparent };
    await post(`bus/a/b%2Fc?${query}`, '{"n":12345678901234567890}', headers);
    expect(sent[0]?.topic).toBe("a/b/c");
    expect(sent[0]?.metadata).toMatchObject({ own: "x" });
    expect(textOf(sent[0] as Sent)).toContain('"data":{"n":12345678901234567890}');
    expect(events()).toEqual([
      expect.objectContaining({
        id: "7",
        subject: "s",
        source: "app",
        topic: "a/b/c",
        pubsubname: "bus",
        datacontenttype: "application/json; charset=utf-8",
        traceparent,
        traceid: traceparent,
      }),
    ]);
  });

  test("is text without a content type", async () => {
    const { post, events } = busOf();
    await post("bus/t", '{"n":1}');
    expect(events()).toEqual([
      expect.objectContaining({ data: '{"n":1}', datacontenttype: "text/plain" }),
    ]);
  });

  test("is the body alone where it is raw", async () => {
    const { post, sent } = busOf();
    await post("bus/t?metadata.rawPayload=true", "as it is");
    expect(textOf(sent[0] as Sent)).toBe("as it is");
  });

  test("ends after its time to live", async () => {
    const { post, events } = busOf();
    await post("bus/t?metadata.ttlInSeconds=60", "x");
    const [{ expiration, time }] = events();
    expect(expiration).toMatch(/^....-..-..T..:..:..Z$/);
    // `time` is cut off to its second, and `expiration` is the next one.
    const seconds = (Date.parse(expiration) - Date.parse(time)) / 1000;
    expect([60, 61]).toContain(seconds);
  });
});

describe("several", () => {
  const entry = (entryId: string, more: object = {}) => ({
    entryId,
    event: { n: entryId },
    contentType: "application/json",
    ...more,
  });

  test("have the request's time to live and their own, and attributes where they have metadata", async () => {
    const { post, events } = busOf();
    const query = "metadata.ttlInSeconds=60&metadata.cloudevent.source=other";
    const own = { ttlInSeconds: "30", "cloudevent.type": "own" };
    await post(`bulk/bus/t?${query}`, [
      entry("1"),
      entry("2", { metadata: {} }),
      entry("3", { metadata: own }),
    ]);
    const seen = events().map(({ source, type, time, expiration }) => ({
      ...{ source, type },
      // To the second, which a message may begin in.
      tens: Math.round((Date.parse(expiration) - Date.parse(time)) / 10_000),
    }));
    expect(seen).toEqual([
      { source: "app", type: "com.dapr.event.sent", tens: 6 },
      { source: "other", type: "com.dapr.event.sent", tens: 6 },
      { source: "other", type: "own", tens: 3 },
    ]);
  });

  test("keep the digits of their numbers", async () => {
    const { post, sent } = busOf();
    const text =
      '[{"entryId":"1","contentType":"application/json","event":{"n":12345678901234567890,"f":1.0}}]';
    await post("bulk/bus/t", text);
    expect(sent[0]?.data).toContain('"data":{"n":12345678901234567890,"f":1.0}');
  });

  test("are published in part where some fail, and the answer names those", async () => {
    const { post, sent } = busOf((text) => /"n":"[24]"/.test(text));
    const { status, headers, body } = await post(
      "bulk/bus/t",
      ["1", "2", "3", "4"].map((id) => entry(id)),
    );
    expect(status).toBe(500);
    expect(sent).toHaveLength(2);
    const failed = {
      failedEntries: [
        { entryId: "2", error: "no broker: grün" },
        { entryId: "4", error: "no broker: grün" },
      ],
      errorCode: "ERR_PUBSUB_PUBLISH_MESSAGE",
    };
    expect(body).toBe(JSON.stringify(failed));
    const header = (name: string) => Buffer.from(headers[name] ?? "", "latin1").toString();
    expect(JSON.parse(header("metadata.responsedata"))).toEqual(failed);
    expect(header("metadata.error")).toBe(
      "api error: code = Internal desc = error when publishing to topic t in pubsub bus: no broker: grün",
    );
  });

  test("that fail in great number are named in the body alone, which no client cuts off", async () => {
    const { post } = busOf(() => true);
    const entries = Array.from({ length: 200 }, (_, at) => entry(`entry-${at}`));
    const { headers, body } = await post("bulk/bus/t", entries);
    expect(headers["metadata.responsedata"]).toBeUndefined();
    expect(headers["metadata.error"]).toContain("no broker");
    expect(JSON.parse(body).failedEntries).toHaveLength(200);
  });
});

test("a broker that is away is Dapr's answer, with its details", async () => {
  const { post } = busOf(() => true);
  const { status, body } = await post("bus/t", "x");
  expect(status).toBe(500);
  expect(JSON.parse(body)).toEqual({
    errorCode: "ERR_PUBSUB_PUBLISH_MESSAGE",
    message: "error when publishing to topic t in pubsub bus: no broker: grün",
    details: [
      expect.objectContaining({ resource_type: "pubsub", resource_name: "bus" }),
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        domain: "dapr.io",
        metadata: { error: "no broker: grün", topic: "t" },
        reason: "DAPR_PUBSUB_PUBLISH_MESSAGE",
      },
    ],
  });
});
