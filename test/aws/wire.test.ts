import { expect, test } from "vitest";
import { queryProtocol, textOf } from "../../bindings/aws/_query.ts";
import { createWire } from "../../bindings/aws/_wire.ts";
import type { Call, Host, ServiceRequest } from "../../src/contracts/host.ts";
import { processHost } from "../../targets/_process/host.ts";
import { credentials } from "../harness/aws.ts";
import { failureOf } from "./_beds.ts";

const settings = { ...credentials, endpoint: undefined, sessionToken: undefined };
const call: Call = {
  signal: undefined,
  deadline: undefined,
  trace: {},
  waitUntil: () => undefined,
};

test("a service that never answers is given up in the time that it has", async () => {
  const { run } = wireTo(
    (_request, { signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const failure = await failureOf(run("Publish", {}, call, 50));
  expect(failure).toMatchObject({
    name: "NetworkError",
    message: "no answer from sns.us-east-1.amazonaws.com within 50 ms",
  });
});

test("a caller who goes away gets back their own reason", async () => {
  const stop = new AbortController();
  const { run } = wireTo(async () => {
    stop.abort(new Error("gone"));
    throw new Error("cut off");
  });
  const failure = await failureOf(run("Publish", {}, { ...call, signal: stop.signal }, 5000));
  expect(failure.message).toBe("gone");
});

test("a form holds lists and what they are made of by AWS's names", async () => {
  const bodies: string[] = [];
  const { run } = wireTo(async ({ body }) => {
    bodies.push(new TextDecoder().decode(body as Uint8Array));
    return answer(
      200,
      "<PublishBatchResponse><Id>a &amp; b &#x1F40E;&#9;</Id></PublishBatchResponse>",
    );
  });
  const entries = [{ Id: "0", Message: "ü&=" }, { Id: "1" }];
  const input = { TopicArn: undefined, PublishBatchRequestEntries: entries };
  const xml = await run("PublishBatch", input, call);
  expect([...new URLSearchParams(bodies[0])]).toEqual([
    ["Action", "PublishBatch"],
    ["Version", "2010-03-31"],
    ["PublishBatchRequestEntries.member.1.Id", "0"],
    ["PublishBatchRequestEntries.member.1.Message", "ü&="],
    ["PublishBatchRequestEntries.member.2.Id", "1"],
  ]);
  expect(textOf(String(xml), "Id")).toBe("a & b 🐎\t");
});

test.each([
  [200, "<html>welcome</html>", "UnknownAnswer"],
  [200, "<SubscribeResponse></SubscribeResponse>", "UnknownAnswer"],
  [404, "<html>no</html>", "UnknownAnswer"],
  [
    400,
    "<ErrorResponse><Error><Code>InvalidParameter</Code><Message>m</Message></Error></ErrorResponse>",
    "InvalidParameter",
  ],
])("an answer of %i with %s is a failure by its name", async (status, body, name) => {
  const { run } = wireTo(async () => answer(status, body));
  expect((await failureOf(run("Publish", {}, call))).name).toBe(name);
});

function wireTo(send: (request: ServiceRequest, call: Call) => ReturnType<Host["send"]>) {
  const host = processHost("node", { send });
  return createWire(queryProtocol("SNS", "sns", "2010-03-31"), settings, host, "pubsub");
}

function answer(status: number, body: string) {
  return { status, headers: {}, body: new TextEncoder().encode(body) };
}
