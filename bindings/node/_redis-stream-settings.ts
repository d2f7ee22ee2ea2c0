import type { Fields, Settings } from "../../src/contracts/component.ts";
import { complain } from "./_config.ts";
import { connection, timesOf } from "./_redis-fields.ts";
import { refuse } from "./_redis-settings.ts";

export const streamFields = {
  ...connection,
  concurrency: {
    type: "number",
    default: 10,
    description:
      "Messages of a topic that are handled at a time, where the subscription names no number.",
  },
  queueDepth: {
    type: "number",
    default: 100,
    description:
      "Most messages that one read takes of a topic; it takes no more than can be handled.",
  },
  processingTimeout: {
    type: "duration",
    unit: "ms",
    default: 60_000,
    description:
      "How long a message may be handled. Somewhat later another process takes it over, also one that waits for a longer delay when its process ends; 0 is refused.",
  },
  redeliverInterval: {
    type: "duration",
    unit: "ms",
    default: 15_000,
    description:
      "How often a process looks for messages of others that ended, and how long a failed message waits whose subscription has no maxRetries; 0 is refused.",
  },
  maxLenApprox: {
    type: "number",
    default: 0,
    description: "About so many messages stay in a topic, handled or not; 0: all.",
  },
  streamTTL: {
    type: "duration",
    unit: "ms",
    default: 0,
    description:
      "Older messages leave their topic when another is published, handled or not; 0: never.",
  },
} as const satisfies Fields;

/** What the component goes by; times in milliseconds. */
export type StreamSettings = ReturnType<typeof streamSettings>;

/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** Throws "config" for what is not built, and for what cannot be. */
export function streamSettings(
  given: Settings<typeof streamFields> & { readonly consumerID: string },
  component: string,
) {
  const settings = { ...given, ...timesOf(given) };
  refuse(settings, component);
  const count = (name: "concurrency" | "queueDepth", most = 10_000) =>
    [
      !isWhole(given[name], 1, most),
      `${name} must be a whole number from 1 to ${most}, not ${given[name]}`,
    ] as const;
  const time = (name: "processingTimeout" | "redeliverInterval") =>
    [
      given[name] < 1 || given[name] > LONGEST_MS,
      `${name} must be from 1 ms to ${LONGEST_MS} ms, not ${given[name]}: without it the messages of a process that ended would never come again`,
    ] as const;
  complain(component, [
    count("concurrency"),
    count("queueDepth"),
    time("processingTimeout"),
    time("redeliverInterval"),
    [
      !isWhole(given.maxLenApprox, 0, Number.MAX_SAFE_INTEGER),
      `maxLenApprox must be a whole number from 0, not ${given.maxLenApprox}`,
    ],
    [
      given.maxLenApprox > 0 && given.streamTTL > 0,
      "maxLenApprox and streamTTL exclude each other: set one of them",
    ],
  ]);
  return settings;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
