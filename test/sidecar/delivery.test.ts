import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { killSidecars, type RunningSidecar } from "../harness/sidecar.ts";
import { type Answer, closeApps, publish, startApp, startFor, type TestApp } from "./_app.ts";

afterAll(killSidecars);
afterAll(closeApps);

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** Topics with what the app has for them. */
const subscriptions = [
  { pubsubname: "bus", topic: "plain", route: "/plain" },
  { pubsubname: "bus", topic: "raw", route: "raw", metadata: { rawPayload: "true" } },
  { pubsubname: "bus", topic: "buried", route: "/buried" },
  { pubsubname: "bus", topic: "judged", route: "/judged", deadLetterTopic: "buried" },
  { pubsubname: "bus", topic: "again", route: "/again" },
  {
    pubsubname: "bus",
    topic: "routed",
    deadLetterTopic: "buried",
    routes: {
      rules: [
        { match: 'event.type == "order.v2"', path: "/v2" },
        { match: "event.data.n > 3", path: "/large" },
      ],
    },
  },
  {
    pubsubname: "bus",
    topic: "bulk",
    route: "/bulk",
    deadLetterTopic: "buried",
    bulkSubscribe: { enabled: true, maxMessagesCount: 3, maxAwaitDurationMs: 100 },
  },
  {
    pubsubname: "bus",
    topic: "raw-bulk",
    route: "/raw-bulk",
    metadata: { rawPayload: "true" },
    bulkSubscribe: { enabled: true, maxMessagesCount: 1 },
  },
];

let app: TestApp;
let sidecar: RunningSidecar;
beforeAll(async () => {
  app = await startApp(subscriptions);
  sidecar = await startFor(app, { env: { APP_API_TOKEN: "app-token-1" } });
});
beforeEach(() => {
  app.handle = () => undefined;
});
afterAll(() => sidecar?.stop());

const at = (path: string) => app.got.filter((got) => got.path === path);
const dataAt = (path: string) => at(path).map(({ body }) => JSON.parse(body).data);

describe("the app is asked", () => {
  test("what it wants, with the sidecar's id and its token", () => {
    expect(app.asked.map(({ path }) => path)).toEqual(["/dapr/config", "/dapr/subscribe"]);
    for (const { method, headers } of app.asked) {
      expect(method).toBe("GET");
      expect(headers).toMatchObject({ "dapr-app-id": "app", "dapr-api-token": "app-token-1" });
    }
  });

  test("and its subscriptions are shown in the metadata", async () => {
    const response = await fetch(`${sidecar.url}/v1.0/metadata`);
    const { subscriptions: shown } = (await response.json()) as { subscriptions: unknown[] };
    expect(shown).toContainEqual({
      pubsubname: "bus",
      topic: "raw",
      metadata: { rawPayload: "true" },
      rules: [{ path: "raw" }],
      deadLetterTopic: "",
      type: "PROGRAMMATIC",
    });
    expect(shown).toContainEqual({
      pubsubname: "bus",
      topic: "routed",
      rules: [
        { match: 'event.type == "order.v2"', path: "/v2" },
        { match: "event.data.n > 3", path: "/large" },
      ],
      deadLetterTopic: "buried",
      type: "PROGRAMMATIC",
    });
  });
});

describe("a message comes to the app", () => {
  test("as it was published, with its trace, its metadata and the token in headers", async () => {
    const query = "metadata.cloudevent.id=e-1&metadata.Own-Key=gr%C3%BCn&metadata.Host=evil";
    const headers = { "content-type": "application/json", traceparent, tracestate: "a=b" };
    const body = '{"n":12345678901234567890.125,"text":"grün"}';
    expect(await publish(sidecar, `bus/plain?${query}`, body, headers)).toBe(204);
    await expect.poll(() => at("/plain")).toHaveLength(1);
    const [got] = at("/plain");
    expect(got?.method).toBe("POST");
    expect(got?.headers).toMatchObject({
      "content-type": "application/cloudevents+json",
      "content-length": String(Buffer.byteLength(got?.body ?? "")),
      "dapr-api-token": "app-token-1",
      pubsubname: "bus",
      "cloudevent.id": "e-1",
      host: `127.0.0.1:${app.port}`,
      traceparent,
      tracestate: "a=b",
    });
    const value = got?.headers["own-key"] as string;
    expect(Buffer.from(value, "latin1").toString()).toBe("grün");
    expect(got?.body).toContain(`"data":${body}`);
    expect(JSON.parse(got?.body ?? "")).toMatchObject({
      id: "e-1",
      source: "app",
      topic: "plain",
      pubsubname: "bus",
      type: "com.dapr.event.sent",
      datacontenttype: "application/json",
      traceid: traceparent,
    });
  });

  test.each(["null", '"_-8="', '"!!!"', "7"])(
    "as the bytes that it is, where its data_base64 is %s",
    async (encoded) => {
      const id = `odd ${encoded}`;
      const event = `{ "id": ${JSON.stringify(id)}, "type": "t", "data_base64": ${encoded} }`;
      await publish(sidecar, "bus/plain?metadata.rawPayload=true", event);
      const one = () => at("/plain").filter(({ body }) => JSON.parse(body).id === id);
      await expect.poll(() => one().map(({ body }) => body)).toEqual([event]);
    },
  );

  test("in an event of its own, where it is raw", async () => {
    await publish(sidecar, "bus/raw?metadata.rawPayload=true", "no event");
    await expect.poll(() => at("/raw")).toHaveLength(1);
    expect(JSON.parse(at("/raw")[0]?.body ?? "")).toEqual({
      data_base64: Buffer.from("no event").toString("base64"),
      datacontenttype: "application/octet-stream",
      id: expect.any(String),
      pubsubname: "bus",
      source: "Dapr",
      specversion: "1.0",
      topic: "raw",
      type: "com.dapr.event.sent",
    });
  });

  test("at the path of the first rule that matches", async () => {
    const path = "bus/routed";
    await publish(sidecar, `${path}?metadata.cloudevent.type=order.v2`, { n: 1, to: "v2" });
    await publish(sidecar, path, { n: 4, to: "large" });
    await expect.poll(() => at("/large")).toHaveLength(1);
    expect(dataAt("/v2")).toEqual([{ n: 1, to: "v2" }]);
    expect(dataAt("/large")).toEqual([{ n: 4, to: "large" }]);
  });

  test("or is dead-lettered, where no rule matches or one fails", async () => {
    await publish(sidecar, "bus/routed", { n: 2, to: "unrouted" });
    await publish(sidecar, "bus/routed", { to: "failing" });
    const buried = () => dataAt("/buried").filter(({ to }) => to);
    await expect.poll(buried).toEqual([{ n: 2, to: "unrouted" }, { to: "failing" }]);
  });
});

describe("what the app answers", () => {
  const cases: Record<string, [answer: Answer, outcome: "done" | "buried"]> = {
    nothing: [{}, "done"],
    204: [{ status: 204 }, "done"],
    SUCCESS: [{ body: { status: "SUCCESS" } }, "done"],
    "an empty status": [{ body: { status: "" } }, "done"],
    "a status that is no text": [{ body: { status: 7 } }, "done"],
    rubbish: [{ body: "{rubbish" }, "done"],
    "a list": [{ status: 201, body: [1] }, "done"],
    DROP: [{ body: { Status: "DROP" } }, "buried"],
    "404": [{ status: 404 }, "buried"],
    RETRY: [{ body: { status: "RETRY" } }, "buried"],
    "a status in small letters": [{ body: { status: "success" } }, "buried"],
    "a redirect": [{ status: 302 }, "buried"],
    "400": [{ status: 400, body: { status: "SUCCESS" } }, "buried"],
    "500": [{ status: 500 }, "buried"],
    "more than 4 MiB": [{ body: { pad: "x".repeat(5 << 20), status: "SUCCESS" } }, "buried"],
  };

  test.each(Object.entries(cases))("%s", async (name, [answer, outcome]) => {
    app.handle = ({ path }) => (path === "/judged" ? answer : undefined);
    await publish(sidecar, "bus/judged", { name });
    const one = (path: string) => dataAt(path).filter((data) => data.name === name);
    await expect.poll(() => one("/judged")).toHaveLength(1);
    if (outcome === "buried") await expect.poll(() => one("/buried")).toEqual([{ name }]);
    // The next one is handled only after this one was settled.
    app.handle = () => undefined;
    await publish(sidecar, "bus/judged", { name: `after ${name}` });
    await expect.poll(() => dataAt("/judged").at(-1)).toEqual({ name: `after ${name}` });
    expect(one("/judged")).toHaveLength(1);
    expect(one("/buried")).toHaveLength(outcome === "buried" ? 1 : 0);
  });

  test("brings a message again where there is no dead letter", async () => {
    let tries = 0;
    app.handle = ({ path }) => (path === "/again" && ++tries < 2 ? { status: 503 } : undefined);
    await publish(sidecar, "bus/again", { n: 1 });
    await expect.poll(() => dataAt("/again"), { timeout: 5000 }).toEqual([{ n: 1 }, { n: 1 }]);
    expect(sidecar.output()).toMatch(
      /level=warning msg="a message of topic again[^\n]*was retried[^\n]*503/,
    );
  });
});

describe("messages in bulk", () => {
  interface Envelope {
    readonly entries: { entryId: string; event: { data: { n: number } }; contentType: string }[];
  }
  const statuses = (body: string, statusOf: (n: number) => string | undefined) => {
    const { entries } = JSON.parse(body) as Envelope;
    return entries.map(({ entryId, event }) => ({ entryId, status: statusOf(event.data.n) }));
  };
  const numbersOf = () =>
    at("/bulk").map(({ body }) =>
      (JSON.parse(body) as Envelope).entries.map((one) => one.event.data.n),
    );

  test("come together, and each has its own outcome", async () => {
    app.handle = ({ path, body }) => {
      if (path !== "/bulk") return undefined;
      const words: Record<number, string> = { 1: "SUCCESS", 2: "DROP", 3: "RETRY", 4: "SUCCESS" };
      const all = statuses(body, (n) => words[n]);
      return { body: { statuses: all.filter(({ status }) => status !== undefined) } };
    };
    await Promise.all([1, 2, 3, 4, 5].map((n) => publish(sidecar, "bus/bulk", { n })));
    const buried = () => dataAt("/buried").flatMap(({ n, name, to }) => (name || to ? [] : [n]));
    // 5 has no word of its own.
    await expect.poll(() => buried().sort()).toEqual([2, 3, 5]);
    expect(numbersOf().flat().sort()).toEqual([1, 2, 3, 4, 5]);
    expect(numbersOf().every((numbers) => numbers.length <= 3)).toBe(true);
    expect(at("/bulk")[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "dapr-api-token": "app-token-1",
    });
    expect(JSON.parse(at("/bulk")[0]?.body ?? "")).toMatchObject({
      id: expect.any(String),
      type: "com.dapr.event.sent.bulk",
      topic: "bulk",
      pubsubname: "bus",
      metadata: { pubsubName: "bus" },
      entries: expect.arrayContaining([
        expect.objectContaining({ contentType: "application/cloudevents+json", metadata: {} }),
      ]),
    });
  });

  test("are dead-lettered where the app answers 404", async () => {
    app.handle = ({ path }) => (path === "/bulk" ? { status: 404 } : undefined);
    await publish(sidecar, "bus/bulk", { n: 6 });
    await expect.poll(() => dataAt("/buried")).toContainEqual({ n: 6 });
  });

  test("come as they are where they are raw", async () => {
    app.handle = ({ path, body }) => {
      if (path !== "/raw-bulk") return undefined;
      const { entries } = JSON.parse(body) as Envelope;
      return { body: { statuses: entries.map(({ entryId }) => ({ entryId, status: "SUCCESS" })) } };
    };
    await publish(sidecar, "bus/raw-bulk?metadata.rawPayload=true", "no event");
    await expect.poll(() => at("/raw-bulk")).toHaveLength(1);
    expect(JSON.parse(at("/raw-bulk")[0]?.body ?? "").entries).toEqual([
      {
        entryId: expect.any(String),
        event: Buffer.from("no event").toString("base64"),
        contentType: "application/octet-stream",
        metadata: { rawPayload: "true" },
      },
    ]);
  });
});
