import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import * as component from "../../dist/bindings/node/nats.js";
import { startSubscriptions } from "../../dist/src/blocks/pubsub/start.js";
import { subscribe } from "../../dist/src/index.js";
import { createRuntime, type Runtime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { absentNats, type NatsServer, startNats } from "../harness/nats.ts";
import { interleave, type Row, timePer } from "./measure.ts";

const CALLS = 1000;
const MESSAGES = 5000;
const ROUNDS = 11;
const value = { id: "o-1", text: "x".repeat(700) };

export async function nats(): Promise<Row[]> {
  const reason = absentNats();
  if (reason) {
    process.stderr.write(`NATS is left out: ${reason}\n`);
    return [];
  }
  const server = await startNats();
  try {
    await server.raw.manager.streams.add({ name: "bench", subjects: ["b.>"] });
    return await measure(server);
  } finally {
    await server.stop();
  }
}

async function measure(server: NatsServer): Promise<Row[]> {
  await using runtime = createRuntime({
    id: "bench",
    components: { pubsub: component.pubsub({ natsURL: server.url }) },
    host: processHost("node"),
  });
  const connection = await connect({ servers: server.url, noAsyncTraces: true });
  const manager = await jetstreamManager(connection);
  const js = manager.jetstream();
  const publisher = runtime.blocks.pubsub("pubsub");
  let number = 0;
  const event = () => ({
    data: value,
    datacontenttype: "application/json",
    id: `e-${number++}`,
    pubsubname: "pubsub",
    source: "bench",
    specversion: "1.0",
    time: new Date().toISOString(),
    topic: "b.raw",
    traceid: "",
    traceparent: "",
    tracestate: "",
    type: "com.dapr.event.sent",
  });
  const publish = () => publisher.publish("b.out", value);
  const publishRaw = () => {
    const made = event();
    return js.publish("b.raw", JSON.stringify(made), { msgID: made.id });
  };
  const fill = async (topic: string) => {
    const bodies = Array.from({ length: MESSAGES }, () => JSON.stringify(event()));
    for (let at = 0; at < MESSAGES; at += 500) {
      await Promise.all(bodies.slice(at, at + 500).map((body) => js.publish(topic, body)));
    }
  };
  let round = 0;
  const consumeRaw = async () => {
    const topic = `b.theirs.${round++}`;
    await fill(topic);
    const started = performance.now();
    await manager.consumers.add("bench", {
      durable_name: topic.replaceAll(".", "-"),
      ack_policy: AckPolicy.Explicit,
      filter_subject: topic,
    });
    const consumer = await js.consumers.get("bench", topic.replaceAll(".", "-"));
    const messages = await consumer.consume();
    let seen = 0;
    for await (const message of messages) {
      JSON.parse(message.string());
      message.ack();
      if (++seen === MESSAGES) break;
    }
    await messages.close();
    return ((performance.now() - started) * 1000) / MESSAGES;
  };
  const consumeOurs = async () => {
    const topic = `b.ours.${round++}`;
    await fill(topic);
    return consume(runtime, topic);
  };
  await timePer(CALLS, publish)();
  await timePer(CALLS, publishRaw)();
  const sent = await interleave(timePer(CALLS, publish), timePer(CALLS, publishRaw), ROUNDS);
  await consumeOurs();
  await consumeRaw();
  const taken = await interleave(consumeOurs, consumeRaw, ROUNDS);
  await connection.close();
  const goal = { ratio: 1.15 };
  return [
    {
      what: "NATS: publish",
      reference: "the same event through the driver, one after the other",
      unit: "µs",
      ...sent,
      goal,
    },
    {
      what: "NATS: consume",
      reference: "the driver's consume(), parsed and acknowledged one after the other",
      unit: "µs a message",
      ...taken,
      goal,
    },
  ];
}

/** Microseconds that a message takes, from the subscription to the last handler's end. */
async function consume(runtime: Runtime, topic: string): Promise<number> {
  const started = performance.now();
  let seen = 0;
  let done = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const subscription = subscribe("pubsub", topic, () => {
    if (++seen === MESSAGES) done();
  });
  const live = await startSubscriptions(runtime, [subscription]);
  await all;
  await live.stop();
  return ((performance.now() - started) * 1000) / MESSAGES;
}
