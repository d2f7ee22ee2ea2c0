import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { defineApp, type Handler, type SubscribeOptions, subscribe } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { open } from "../../targets/node/index.ts";
import { newFolder } from "../harness/folder.ts";

const runtimes: Runtime[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(runtimes.splice(0).map((runtime) => runtime.close()));
});

type Options = Partial<Parameters<typeof sqlite.pubsub>[0]>;

const newFile = () => join(newFolder("queue"), "queue.db");

/** Another connection, as another process would have. */
function queueOn(connectionString: string, options: Options = {}) {
  const components = { queue: sqlite.pubsub({ connectionString, ...options }) };
  const runtime = createRuntime({ id: "app", components, host: processHost("node") });
  runtimes.push(runtime);
  return {
    publisher: runtime.blocks.pubsub("queue"),
    runtime,
    consume: (handler: Handler, options: SubscribeOptions = {}) =>
      startSubscriptions(runtime, [subscribe("queue", "jobs", handler, options)]),
  };
}

const settled = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });

test("a publish fails as unavailable while another holds the file, and nothing was queued", async () => {
  const file = newFile();
  const { publisher, consume } = queueOn(file, { busyTimeout: 0.1 });
  const seen: unknown[] = [];
  await consume(({ data }) => void seen.push(data));
  const holder = new DatabaseSync(file);
  holder.exec("BEGIN IMMEDIATE");
  await expect(publisher.publish("jobs", 1)).rejects.toMatchObject({
    kind: "unavailable",
    retry: true,
    message: expect.stringMatching(/component queue: .*queue\.db is locked.*busyTimeout/),
  });
  holder.exec("ROLLBACK");
  await publisher.publish("jobs", 2);
  await settled(() => expect(seen).toEqual([2]));
});

test("a dead letter that nobody subscribes to waits for whoever does", async () => {
  const file = newFile();
  const { publisher, consume, runtime } = queueOn(file);
  const failing = vi.fn(() => {
    throw new Error("no");
  });
  await consume(failing, { deadLetterTopic: "dead" });
  await publisher.publish("jobs", 1);
  await settled(() => expect(failing).toHaveBeenCalledOnce());
  const seen: unknown[] = [];
  const late = subscribe("queue", "dead", ({ data }) => void seen.push(data));
  await startSubscriptions(runtime, [late]);
  await settled(() => expect(seen).toEqual([1]));
});

test("dead letters are not kept twice where another app subscribes to them", async () => {
  const file = newFile();
  const support = queueOn(file, { consumerID: "support" });
  const seen: unknown[] = [];
  const reading = subscribe("queue", "dead", ({ data }) => void seen.push(data));
  await startSubscriptions(support.runtime, [reading]);
  const { publisher, consume } = queueOn(file);
  await consume(() => "RETRY", { deadLetterTopic: "dead" });
  await publisher.publish("jobs", 1);
  await settled(() => expect(seen).toEqual([1]));
  const database = new DatabaseSync(file);
  const left = () => database.prepare("SELECT count(*) AS n FROM pubsub_messages").get()?.n;
  await settled(() => expect(left()).toBe(0));
});

test("what was handled while the file was held is acknowledged afterwards, and comes once", async () => {
  const file = newFile();
  const { publisher, consume } = queueOn(file, { busyTimeout: 0.05 });
  const seen: unknown[] = [];
  let finish = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  await consume(async ({ data }) => {
    seen.push(data);
    if (data === 1) await held;
  });
  await publisher.publish("jobs", 1);
  await settled(() => expect(seen).toEqual([1]));
  const holder = new DatabaseSync(file);
  holder.exec("BEGIN IMMEDIATE");
  finish();
  // Longer than it waits for the file: it has failed to write by then, and is to try again.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const left = () => holder.prepare("SELECT count(*) AS n FROM pubsub_messages").get()?.n;
  expect(left()).toBe(1);
  holder.exec("ROLLBACK");
  await settled(() => expect(left()).toBe(0));
  await publisher.publish("jobs", 2);
  await settled(() => expect(seen).toEqual([1, 2]));
});

test("where the system does not tell of changes, a consumer looks by itself", async () => {
  vi.spyOn(process.getBuiltinModule("node:fs"), "watch").mockImplementation(() => {
    throw new Error("no more watchers");
  });
  const file = newFile();
  const seen: unknown[] = [];
  await queueOn(file).consume(({ data }) => void seen.push(data));
  await queueOn(file).publisher.publish("jobs", 1);
  await settled(() => expect(seen).toEqual([1]));
});

test("what one has claimed ahead goes to another when its handler turns slow", async () => {
  const file = newFile();
  const [one, two] = [queueOn(file), queueOn(file)];
  const seen: unknown[] = [];
  let begun = false;
  let finish = (): void => undefined;
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const first = await one.consume(
    async ({ data }) => {
      if (data !== 20) return;
      begun = true;
      await slow;
    },
    { concurrency: 1 },
  );
  const numbers = Array.from({ length: 60 }, (_, data) => ({ data }));
  await one.publisher.publishBulk("jobs", numbers);
  const raw = new DatabaseSync(file);
  const leased = () =>
    raw.prepare("SELECT count(*) AS n FROM pubsub_deliveries WHERE lease IS NOT NULL").get()?.n;
  // It has the slow one, and more that it took to be quick.
  await settled(() => expect(begun).toBe(true));
  expect(leased()).toBeGreaterThan(1);
  await two.consume(({ data }) => void seen.push(data));
  await settled(() => expect(seen.length).toBe(39));
  finish();
  await first.stop();
  expect(leased()).toBe(0);
});

test("a file that cannot be written is refused at the start, not found empty for ever", async () => {
  const file = newFile();
  await queueOn(file).consume(() => undefined);
  const readOnly = queueOn(`file:${file}?mode=ro`);
  const refusal = { kind: "config", message: expect.stringMatching(/queue\.db is read-only/) };
  await expect(readOnly.runtime.init("queue")).rejects.toMatchObject(refusal);
  await expect(readOnly.consume(() => undefined)).rejects.toMatchObject(refusal);
});

test("settings that cannot work are refused by name", () => {
  const wrong = { processingTimeout: 0, concurrency: 1.5 };
  for (const [name, value] of Object.entries(wrong)) {
    expect(() => queueOn(":memory:", { [name]: value })).toThrow(
      `component queue: ${name} must be`,
    );
  }
});

test("tables of a later version are refused and left alone", async () => {
  const file = newFile();
  const later = new DatabaseSync(file);
  later.exec(
    "CREATE TABLE pubsub_metadata (key TEXT, value TEXT); INSERT INTO pubsub_metadata VALUES ('migrations', '9')",
  );
  await expect(queueOn(file).publisher.publish("jobs", 1)).rejects.toMatchObject({
    kind: "config",
    message: expect.stringMatching(/component queue: .*migration 9.*upgrade/),
  });
});

test("a process has it by default, in the file that keeps state", async () => {
  const folder = newFolder("default");
  const home = process.cwd();
  process.chdir(folder);
  try {
    const runtime = await open(defineApp({ id: "app" }));
    runtimes.push(runtime);
    await runtime.blocks.state("statestore").set("k", 1);
    const seen: unknown[] = [];
    const work = subscribe("pubsub", "jobs", ({ data }) => void seen.push(data));
    await startSubscriptions(runtime, [work]);
    await runtime.blocks.pubsub("pubsub").publish("jobs", 1);
    await settled(() => expect(seen).toEqual([1]));
  } finally {
    process.chdir(home);
  }
  const file = new DatabaseSync(join(folder, ".pillion/pillion.db"));
  const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const names = tables.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["state", "pubsub_messages"]));
  expect(file.prepare("SELECT consumer, topic FROM pubsub_groups").all()).toEqual([
    { consumer: "app", topic: "jobs" },
  ]);
});
