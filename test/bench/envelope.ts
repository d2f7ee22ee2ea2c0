import { buildEnvelope, parseEnvelope } from "../../dist/src/blocks/pubsub/envelope.js";
import { cpuPer, interleave, type Row } from "./measure.ts";

const CALLS = 20_000;

/** What Dapr's envelope costs around 1 KB of JSON, from the publisher's object to the handler's. */
export async function envelope(): Promise<Row[]> {
  const data = { id: "o-1", text: "x".repeat(980) };
  const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  const common = { contentType: "application/json", topic: "orders", pubsub: "pubsub" };
  const uuid = () => crypto.randomUUID();
  const ours = cpuPer(CALLS, async () => {
    const payload = { json: JSON.stringify(data) };
    const made = { payload, source: "shop", now: Date.now(), trace, attributes: {}, uuid };
    return parseEnvelope(buildEnvelope({ ...common, ...made }).text);
  });
  const theirs = cpuPer(CALLS, async () => JSON.parse(JSON.stringify({ id: uuid(), data })));
  const measured = await interleave(ours, theirs, 15);
  return [
    {
      what: "envelope: built and parsed, 1 KB",
      reference: "the data with an id through JSON.stringify and JSON.parse",
      unit: "µs of CPU",
      ...measured,
      goal: { atMost: 8 },
    },
  ];
}
