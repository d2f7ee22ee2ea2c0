import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { newFolder } from "../harness/folder.ts";
import { freePort } from "../harness/machine.ts";
import { absentRedis, makeCertificates, startRedis } from "../harness/redis.ts";
import { componentYaml, killSidecars, runSidecar, startSidecar } from "../harness/sidecar.ts";
import { closeApps, memoryBus, publish, startApp, startFor, type TestApp } from "./_app.ts";

// Each test starts processes of its own, several of them two.
vi.setConfig({ testTimeout: 60_000 });
afterAll(killSidecars);
afterEach(closeApps);

const orders = { pubsubname: "bus", topic: "orders", route: "/orders" };
const numbersOf = (app: TestApp) => app.got.map(({ body }) => JSON.parse(body).data.n as number);

/** A pub/sub component that keeps its messages. */
function durable(settings: Readonly<Record<string, string>> = {}) {
  const file = join(newFolder("queue"), "queue.db");
  return componentYaml("bus", "pubsub.sqlite", { connectionString: file, ...settings });
}

describe("a sidecar is healthy once its subscriptions are live", () => {
  test("so that what is published then is delivered", async () => {
    const port = await freePort();
    const sidecar = await startFor({ port }, { until: "waiting on port" });
    const status = async () => (await fetch(`${sidecar.url}/v1.0/healthz`)).status;
    expect(await status()).toBe(500);
    expect((await fetch(`${sidecar.url}/v1.0/healthz/outbound`)).status).toBe(204);
    const app = await startApp([orders], undefined, port);
    const path = "bus/orders";
    await expect.poll(status, { timeout: 10_000, interval: 1 }).toBe(204);
    expect(await publish(sidecar, path, { n: 1 })).toBe(204);
    await expect.poll(() => numbersOf(app)).toEqual([1]);
    await sidecar.stop();
  });

  test("also when the app takes its time over what it wants", async () => {
    const app = await startApp("");
    let answer = (_: unknown) => {};
    app.subscriptions = new Promise((resolve) => (answer = resolve));
    const sidecar = await startFor(app, { until: "application discovered" });
    const status = async () => (await fetch(`${sidecar.url}/v1.0/healthz`)).status;
    await expect.poll(() => app.asked.map(({ path }) => path)).toContain("/dapr/subscribe");
    expect(await status()).toBe(500);
    answer([orders]);
    await expect.poll(status).toBe(204);
    await sidecar.stop();
  });

  test.each<[name: string, answer: unknown, log: RegExp]>([
    ["no JSON", "{rubbish", /level=error msg="error getting topics from app: [^"]*it is no JSON/],
    ["no list", { topic: "t" }, /it is no array/],
    [
      "metadata that is no text",
      [{ ...orders, metadata: { a: 1 } }],
      /its metadata must hold text/,
    ],
    ["a topic without a route", [{ ...orders, route: "" }], /topic \\"orders\\" has no route/],
    ["an unknown pubsub", [{ ...orders, pubsubname: "no" }], /topic orders of no: [^\n]*not found/],
  ])("and with nobody to deliver to where the app answers %s", async (_name, answer, log) => {
    const app = await startApp(answer);
    const sidecar = await startFor(app);
    expect(sidecar.output()).toMatch(log);
    expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
    await publish(sidecar, "bus/orders", { n: 1 });
    await sidecar.stop();
    expect(app.got).toEqual([]);
  });

  test("and one bad subscription does not take the others along", async () => {
    const second = { ...orders, route: "/second" };
    const app = await startApp([{ ...orders, topic: "closed" }, orders, second]);
    const scoped = componentYaml("bus", "pubsub.in-memory", { allowedTopics: "orders" });
    const sidecar = await startFor(app, { resources: { "bus.yaml": scoped } });
    expect(sidecar.output()).toMatch(
      /level=error [^\n]*failed to subscribe to topic closed of bus/,
    );
    expect(sidecar.output()).toMatch(/topic \\"orders\\" is not its first one: left out/);
    await publish(sidecar, "bus/orders", { n: 1 });
    await expect.poll(() => numbersOf(app)).toEqual([1]);
    await sidecar.stop();
    expect(app.got.map(({ path }) => path)).toEqual(["/orders"]);
  });

  test("and is not asked what --disable-init-endpoints says", async () => {
    const app = await startApp([orders]);
    const flags = ["--disable-init-endpoints", "config,subscribe"];
    const sidecar = await startFor(app, { flags });
    expect(app.asked).toEqual([]);
    await sidecar.stop();
  });
});

test("a broker that is away is asked until it is there, and only then is the sidecar healthy", async ({
  skip,
}) => {
  const reason = absentRedis();
  if (reason) skip(reason);
  const redis = await startRedis();
  await redis.halt();
  const settings = { redisHost: redis.address };
  const lenient = "  ignoreErrors: true\n  initTimeout: 300ms\n";
  const bus = componentYaml("bus", "pubsub.redis", settings, lenient);
  const app = await startApp([orders]);
  const sidecar = await startFor(app, { resources: { "bus.yaml": bus }, until: "trying again in" });
  const status = async () => (await fetch(`${sidecar.url}/v1.0/healthz`)).status;
  expect(await status()).toBe(500);
  await redis.start();
  await expect.poll(status, { timeout: 30_000 }).toBe(204);
  await publish(sidecar, "bus/orders", { n: 1 });
  await expect.poll(() => numbersOf(app), { timeout: 10_000 }).toEqual([1]);
  await sidecar.stop();
  await redis.stop();
});

describe("a rule that does not compile ends the sidecar, with its text and the column", () => {
  const rule = 'event.type == "a" &&& true';
  const routes = { rules: [{ match: rule, path: "/a" }] };
  const says = /level=fatal msg="the sidecar cannot start: [^\n]*event\.type == [^\n]*column \d+/;

  test("from the app", async () => {
    const app = await startApp([{ pubsubname: "bus", topic: "orders", routes }]);
    const flags = ["--app-port", String(app.port)];
    const { code, stdout } = await runSidecar({ flags, resources: { "bus.yaml": memoryBus } });
    expect(code).toBe(1);
    expect(stdout).toMatch(says);
  });

  test("from a resource, with its file and line", async () => {
    const resources = { "bus.yaml": memoryBus, "orders.yaml": subscription("orders", routes) };
    const { code, stdout } = await runSidecar({ flags: ["--app-port", "1"], resources });
    expect(code).toBe(1);
    expect(stdout).toMatch(says);
    expect(stdout).toMatch(/orders\.yaml:7: spec\.routes\.rules\[0\]\.match: /);
  });
});

function subscription(topic: string, routes: object): string {
  return `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: ${topic} }
spec:
  pubsubname: bus
  topic: ${topic}
  routes: ${JSON.stringify(routes)}
`;
}

describe("subscriptions of resources", () => {
  test("are delivered, and give way to the app's own", async () => {
    const app = await startApp([orders]);
    const resources = {
      "orders.yaml": subscription("orders", { default: "/declared" }),
      "more.yaml": subscription("more", {
        rules: [{ match: "event.data.n > 1", path: "/large" }],
        default: "/small",
      }),
    };
    const sidecar = await startFor(app, { resources });
    for (const n of [1, 2]) await publish(sidecar, "bus/more", { n });
    await publish(sidecar, "bus/orders", { n: 3 });
    await expect
      .poll(() => app.got.map(({ path }) => path).sort())
      .toEqual([...["/large", "/orders", "/small"]]);
    const response = await fetch(`${sidecar.url}/v1.0/metadata`);
    const { subscriptions } = (await response.json()) as { subscriptions: { type: string }[] };
    expect(subscriptions.map(({ type }) => type).sort()).toEqual(["DECLARATIVE", "PROGRAMMATIC"]);
    await sidecar.stop();
  });
});

describe("the app's health", () => {
  const flags = ["--enable-app-health-check", "--app-health-probe-interval", "1"];

  test("pauses and resumes what is delivered, and nothing is lost", async () => {
    const app = await startApp([orders]);
    const options = { flags: [...flags, "--app-health-threshold", "1"] };
    const sidecar = await startFor(app, { ...options, resources: { "bus.yaml": durable() } });
    const said = (text: string) => sidecar.output().split(text).length - 1;
    await expect.poll(() => said("app is subscribed"), { timeout: 10_000 }).toBe(1);
    await publish(sidecar, "bus/orders", { n: 1 });
    await expect.poll(() => numbersOf(app)).toEqual([1]);
    app.healthy = false;
    await expect.poll(() => said("un-healthy"), { timeout: 10_000 }).toBe(1);
    await publish(sidecar, "bus/orders", { n: 2 });
    const probes = app.asked.length;
    await expect.poll(() => app.asked.length, { timeout: 10_000 }).toBeGreaterThan(probes + 1);
    expect(numbersOf(app)).toEqual([1]);
    app.healthy = true;
    await expect.poll(() => numbersOf(app), { timeout: 10_000 }).toEqual([1, 2]);
    expect(said("app is subscribed")).toBe(2);
    await sidecar.stop();
  });

  test("may be gone while the sidecar ends: what the app has in hand is given back in time", async () => {
    const bus = durable();
    const hanging = await startApp([orders], () => new Promise(() => {}));
    const more = ["--app-health-threshold", "1", "--dapr-graceful-shutdown-seconds", "2"];
    const first = await startFor(hanging, {
      flags: [...flags, ...more],
      resources: { "bus.yaml": bus },
    });
    await expect.poll(() => first.output(), { timeout: 10_000 }).toContain("app is subscribed");
    await publish(first, "bus/orders", { n: 1 });
    await expect.poll(() => hanging.got.length).toBe(1);
    hanging.healthy = false;
    await expect.poll(() => first.output(), { timeout: 10_000 }).toContain("un-healthy");
    first.signal("SIGTERM");
    expect(await first.exited).toBe(0);
    expect(first.output()).toContain("deliveries that were still under way have been cut off");
    expect(first.output()).not.toContain("not everything closed");
    const app = await startApp([orders]);
    const second = await startFor(app, { resources: { "bus.yaml": bus } });
    await expect.poll(() => numbersOf(app), { timeout: 5000 }).toEqual([1]);
    await second.stop();
  });

  test("does not keep the sidecar from being healthy, as in Dapr", async () => {
    const app = await startApp([orders]);
    app.healthy = false;
    const sidecar = await startFor(app, { flags });
    expect((await fetch(`${sidecar.url}/v1.0/healthz`)).status).toBe(204);
    expect(app.asked.map(({ path }) => path)).not.toContain("/dapr/subscribe");
    app.healthy = true;
    const asked = () => app.asked.map(({ path }) => path);
    await expect.poll(asked, { timeout: 10_000 }).toContain("/dapr/subscribe");
    await sidecar.stop();
  });
});

describe("an app", () => {
  test("is called no more often at a time than --app-max-concurrency says", async () => {
    const topics = ["a", "b", "c", "d", "e"];
    const all = topics.map((topic) => ({ pubsubname: "bus", topic, route: `/${topic}` }));
    let go = () => {};
    const gone = new Promise<void>((resolve) => (go = resolve));
    const app = await startApp(all, () => gone.then(() => undefined));
    const sidecar = await startFor(app, { flags: ["--app-max-concurrency", "2"] });
    app.most = 0;
    await Promise.all(topics.map((topic) => publish(sidecar, `bus/${topic}`, { n: 1 })));
    await expect.poll(() => app.got.length).toBeGreaterThanOrEqual(2);
    // The others come within that, where nothing keeps them.
    await sleep(500);
    expect(app.most).toBe(2);
    go();
    await expect.poll(() => app.got.length).toBe(5);
    expect(app.most).toBe(2);
    await sidecar.stop();
  });

  test("may end and come back: what it missed comes again", async () => {
    const first = await startApp([orders]);
    const { port } = first;
    const sidecar = await startFor(first, { resources: { "bus.yaml": durable() } });
    await publish(sidecar, "bus/orders", { n: 1 });
    await expect.poll(() => numbersOf(first)).toEqual([1]);
    await first.close();
    await publish(sidecar, "bus/orders", { n: 2 });
    await expect.poll(() => sidecar.output()).toMatch(/was retried[^\n]*ECONNREFUSED/);
    const second = await startApp([orders], undefined, port);
    await expect.poll(() => numbersOf(second), { timeout: 30_000 }).toEqual([2]);
    await sidecar.stop();
  });

  test("is called over TLS where --app-protocol says so, by a certificate of its own", async () => {
    const { cert, key } = makeCertificates();
    const tls = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
    const app = await startApp([orders], undefined, 0, tls);
    const sidecar = await startFor(app, { flags: ["--app-protocol", "https"] });
    await publish(sidecar, "bus/orders", { n: 1 });
    await expect.poll(() => numbersOf(app)).toEqual([1]);
    await sidecar.stop();
  });

  test.each([false, true])(
    "that never answers gets a message again (in bulk: %s)",
    async (bulk) => {
      const bulkSubscribe = { enabled: bulk, maxMessagesCount: 2, maxAwaitDurationMs: 10 };
      const app = await startApp([{ ...orders, bulkSubscribe }]);
      let calls = 0;
      app.handle = () => (++calls === 1 ? new Promise<never>(() => {}) : undefined);
      const resources = { "bus.yaml": durable({ processingTimeout: "500ms" }) };
      const sidecar = await startFor(app, { resources });
      await publish(sidecar, "bus/orders", { n: 1 });
      await expect.poll(() => app.got.length, { timeout: 20_000 }).toBeGreaterThan(1);
      await sidecar.stop();
    },
  );

  test("over gRPC gets no events, and is told so", async () => {
    const app = await startApp([orders]);
    const sidecar = await startFor(app, { flags: ["--app-protocol", "grpc"] });
    expect(sidecar.output()).toMatch(/level=warning msg="--app-protocol grpc is not built yet/);
    expect(app.asked).toEqual([]);
    await sidecar.stop();
  });
});

describe("a sidecar that ends", () => {
  test("waits for what the app has in hand, which may still call it", async () => {
    const answers: number[] = [];
    let go = () => {};
    const gone = new Promise<void>((resolve) => (go = resolve));
    const app = await startApp([orders], async () => {
      await gone;
      answers.push(await publish(sidecar, "bus/elsewhere", { n: 1 }));
      return undefined;
    });
    const sidecar = await startFor(app);
    await publish(sidecar, "bus/orders", { n: 1 });
    await expect.poll(() => app.got.length).toBe(1);
    sidecar.signal("SIGTERM");
    await expect.poll(() => sidecar.output()).toContain("beginning shutdown");
    go();
    expect(await sidecar.exited).toBe(0);
    expect(answers).toEqual([204]);
    expect(sidecar.output()).not.toContain("cut off");
  });

  test("gives back what the app does not end, and it comes again", async () => {
    const bus = durable();
    const hanging = await startApp([orders], () => new Promise(() => {}));
    const flags = ["--dapr-graceful-shutdown-seconds", "1"];
    const first = await startFor(hanging, { flags, resources: { "bus.yaml": bus } });
    await publish(first, "bus/orders", { n: 1 });
    await expect.poll(() => hanging.got.length).toBe(1);
    first.signal("SIGTERM");
    expect(await first.exited).toBe(0);
    expect(first.output()).toContain("deliveries that were still under way have been cut off");
    const app = await startApp([orders]);
    const second = await startFor(app, { resources: { "bus.yaml": bus } });
    await expect.poll(() => numbersOf(app), { timeout: 30_000 }).toEqual([1]);
    await second.stop();
  });

  test("under delivery loses nothing", async () => {
    const bus = durable();
    const total = 300;
    const app = await startApp([orders], () => sleep(5, undefined));
    const resources = { "bus.yaml": bus };
    const first = await startFor(app, { resources });
    for (let n = 0; n < total; n += 50) {
      const part = Array.from({ length: 50 }, (_, at) =>
        publish(first, "bus/orders", { n: n + at }),
      );
      expect(new Set(await Promise.all(part))).toEqual(new Set([204]));
    }
    await expect.poll(() => app.got.length).toBeGreaterThan(10);
    first.signal("SIGTERM");
    expect(await first.exited).toBe(0);
    expect(app.got.length).toBeLessThan(total);
    const second = await startFor(app, { resources });
    const distinct = () => new Set(numbersOf(app)).size;
    await expect.poll(distinct, { timeout: 30_000 }).toBe(total);
    await second.stop();
  });
});

test("without an app there is nobody to ask", async () => {
  const sidecar = await startSidecar({ resources: { "bus.yaml": memoryBus } });
  expect(await publish(sidecar, "bus/orders", { n: 1 })).toBe(204);
  await sidecar.stop();
});
