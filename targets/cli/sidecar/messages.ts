import type { DeliveryOutcome, PillionEvent } from "../../../src/events.ts";
import {
  counter,
  countsOf,
  histogram,
  label,
  madeIn,
  newSeries,
  observe,
  type Series,
} from "./series.ts";

/** Counts what goes to brokers and what comes from them, by daprd's names. */
export interface Messages {
  /** To be told every event of the runtime. */
  heard(event: PillionEvent): void;
  /** In Prometheus' text format. */
  lines(): string[];
}

/** By component, topic and outcome: found without joining texts, since it is done for every message. */
type Tally = Map<string, Map<string, Map<string, Series>>>;

const ok = 'success="true"';
const failed = 'success="false"';

/**
 * What daprd says of each: what became of the message, and what the app or the sidecar had to do with it. One that was not
 * for the app counts as dropped, with success.
 */
const outcomes: Readonly<Record<DeliveryOutcome, string>> = {
  handled: 'process_status="success",status="success"',
  retried: 'process_status="retry",status="retry"',
  "dead-lettered": 'process_status="drop",status="drop"',
  dropped: 'process_status="drop",status="drop"',
  expired: 'process_status="drop",status="drop"',
  unrouted: 'process_status="drop",status="success"',
};

export function createMessages(common: string): Messages {
  const published: Tally = new Map();
  const publishedInBulk: Tally = new Map();
  const delivered: Tally = new Map();
  return {
    heard(event) {
      if (event.type === "pubsub.call") {
        const { operation, component, topic, error, durationMs } = event;
        const tally = operation === "publish" ? published : publishedInBulk;
        observe(seriesIn(tally, component, topic, error ? failed : ok), durationMs);
      } else if (event.type === "pubsub.delivery") {
        const { component, topic, outcome, durationMs } = event;
        observe(seriesIn(delivered, component, topic, outcomes[outcome]), durationMs);
      }
    },
    lines: () => [
      ...linesOf("egress", "Messages published", common, published),
      ...linesOf("egress_bulk", "Calls that publish messages in bulk", common, publishedInBulk),
      ...linesOf("ingress", "Messages delivered", common, delivered),
    ],
  };
}

function seriesIn(tally: Tally, component: string, topic: string, outcome: string): Series {
  const ofComponent = madeIn(tally, component, () => new Map());
  const ofTopic = madeIn(ofComponent, topic, () => new Map());
  return madeIn(ofTopic, outcome, newSeries);
}

function linesOf(way: string, what: string, common: string, tally: Tally): string[] {
  const flat = new Map<string, Series>();
  for (const [component, ofComponent] of tally) {
    for (const [topic, ofTopic] of ofComponent) {
      const labels = `${common},${label("component", component)},${label("topic", topic)}`;
      for (const [outcome, series] of ofTopic) flat.set(`${labels},${outcome}`, series);
    }
  }
  const name = `dapr_component_pubsub_${way}`;
  return [
    ...counter(`${name}_count`, what, countsOf(flat)),
    ...histogram(`${name}_latencies`, `Milliseconds: ${what.toLowerCase()}`, flat),
  ];
}
