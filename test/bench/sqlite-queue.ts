import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import * as component from "../../dist/bindings/node/sqlite.js";
import { startSubscriptions } from "../../dist/src/blocks/pubsub/start.js";
import { subscribe } from "../../dist/src/blocks/pubsub/subscribe.js";
import { createRuntime, type Runtime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { newFolder } from "../harness/folder.ts";
import { cpuPer, interleave, type Row, timePer } from "./measure.ts";

const PUBLISHED = 200;
/** What waits and is consumed. */
const COUNT = 2000;
/** What the component claims at a time where handlers are fast. */
const BATCH = 110;
const data = { id: "o-1", text: "x".repeat(900) };

/** The event that pillion makes around the data. */
const event = () => ({
  data,
  datacontenttype: "application/json",
  id: randomUUID(),
  pubsubname: "queue",
  source: "bench",
  specversion: "1.0",
  time: new Date().toISOString(),
  topic: "jobs",
  traceid: "",
  traceparent: "",
  tracestate: "",
  type: "com.dapr.event.sent",
});

type Measure = (work: () => Promise<unknown>) => () => Promise<number>;

/** Publishing and consuming against the same tables and statements through node:sqlite, synchronous=FULL on both sides. */
export async function sqliteQueue(): Promise<Row[]> {
  const folder = newFolder("bench");
  await using ours = open(join(folder, "ours.db"));
  await using raw = open(join(folder, "raw.db"));
  for (const runtime of [ours, raw]) await consume(runtime, 0);
  const { publish, publishBulk, native } = ours.blocks.pubsub("queue");
  const theirs = rawQueue(raw.blocks.pubsub("queue").native<DatabaseSync>());
  const bulk = Array.from({ length: COUNT }, () => ({ data }));
  const consumed = (measure: Measure, batch: number, rounds: number) =>
    interleave(
      async () => {
        native<DatabaseSync>().exec("DELETE FROM pubsub_deliveries");
        await publishBulk("jobs", bulk);
        return (await measure(() => consume(ours, COUNT))()) / COUNT;
      },
      async () => {
        theirs.clear();
        theirs.publish(COUNT);
        return (await measure(async () => theirs.consume(COUNT, batch))()) / COUNT;
      },
      rounds,
    );
  const time: Measure = (work) => timePer(1, work);
  const cpu: Measure = (work) => cpuPer(1, work);
  return [
    {
      what: "SQLite queue: publish",
      reference: "the same event by a transaction of the same statements",
      unit: "µs",
      ...(await interleave(
        timePer(PUBLISHED, () => publish("jobs", data)),
        timePer(PUBLISHED, async () => theirs.publish(1)),
        41,
      )),
      goal: { ratio: 1.15 },
    },
    {
      what: "SQLite queue: consume",
      reference: "a loop that claims a message, reads and deletes it, as a worker by hand does",
      unit: "µs",
      ...(await consumed(time, 1, 5)),
      goal: { ratio: 1.15 },
    },
    {
      what: "SQLite queue: consume",
      reference: `a loop that claims ${BATCH} at a time, and deletes them with the next claim`,
      unit: "µs of CPU",
      ...(await consumed(cpu, BATCH, 9)),
      goal: { plus: 25 },
    },
  ];
}

function open(connectionString: string): Runtime {
  const components = { queue: component.pubsub({ connectionString }) };
  return createRuntime({ id: "bench", components, host: processHost("node") });
}

/** Consumes until `count` messages were handled; none makes the group. */
async function consume(runtime: Runtime, count: number): Promise<void> {
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let handled = 0;
  const work = subscribe("queue", "jobs", () => {
    if (++handled === count) finish();
  });
  const live = await startSubscriptions(runtime, [work]);
  if (count > 0) await finished;
  await live.stop();
}

/** The queue by hand. */
function rawQueue(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  const addMessage = sql("INSERT INTO pubsub_messages (topic, data) VALUES ('jobs', ?)");
  const addDelivery = sql(
    `INSERT INTO pubsub_deliveries (message, consumers, due, attempt, blocked)
     SELECT ?, id, ?, 0, 0 FROM pubsub_groups WHERE topic = 'jobs'`,
  );
  const lease = sql(
    `UPDATE pubsub_deliveries SET due = ?1, lease = ?2, attempt = attempt + 1
     WHERE (message, consumers) IN (SELECT message, consumers FROM pubsub_deliveries
       WHERE consumers = 1 AND blocked = 0 AND due <= ?3 ORDER BY due, message LIMIT ?4) RETURNING message`,
  );
  const read = sql("SELECT topic, data FROM pubsub_messages WHERE id = ?");
  const done = sql(
    "DELETE FROM pubsub_deliveries WHERE message = ? AND consumers = 1 AND lease = ?",
  );
  const transaction = (work: () => void) => {
    database.exec("BEGIN IMMEDIATE");
    work();
    database.exec("COMMIT");
  };
  return {
    clear: () => database.exec("DELETE FROM pubsub_deliveries"),
    publish(count: number): void {
      transaction(() => {
        for (let index = 0; index < count; index++) {
          addDelivery.run(addMessage.run(JSON.stringify(event())).lastInsertRowid, Date.now());
        }
      });
    },
    consume(count: number, batch: number): void {
      let held: { message: number }[] = [];
      let token = "";
      const acknowledge = () => held.forEach(({ message }) => void done.run(message, token));
      for (let handled = 0; handled < count; handled += held.length) {
        transaction(() => {
          if (batch > 1) acknowledge();
          token = randomUUID();
          const now = Date.now();
          held = lease.all(now + 60_000, token, now, batch) as { message: number }[];
        });
        for (const { message } of held) JSON.parse(read.get(message)?.data as string);
        if (batch === 1) transaction(acknowledge);
      }
      if (batch > 1) transaction(acknowledge);
    },
  };
}
