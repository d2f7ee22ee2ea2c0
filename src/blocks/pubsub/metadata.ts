import { toFlag, toMilliseconds } from "../../settings.ts";
import type { EventAttributes, PublishOptions } from "./api.ts";
import { pubsubError } from "./errors.ts";

/** What Dapr's names in the metadata of a publish ask of the runtime. An option in code wins over them. */
export interface Asked {
  readonly rawPayload: boolean;
  /** Milliseconds. */
  readonly ttl: number | undefined;
  readonly cloudEvent: EventAttributes;
}

const none: EventAttributes = {};
/** The longest time that Dapr's Go durations hold, about: 292 years. */
const MAX_SECONDS = 9_000_000_000;
const attribute = /^cloudevent\.(id|source|type|subject|traceid|traceparent|tracestate)$/;

export function asked(options: PublishOptions): Asked {
  const { metadata, rawPayload = false, cloudEvent = none } = options;
  const ttl = seconds("ttlInSeconds", options.ttlInSeconds);
  if (!metadata) return { rawPayload, ttl, cloudEvent };
  const named = read(metadata);
  return {
    rawPayload: options.rawPayload ?? named.rawPayload ?? false,
    ttl: ttl ?? named.ttl,
    cloudEvent: { ...named.cloudEvent, ...cloudEvent },
  };
}

/** Milliseconds of whole seconds above 0. */
export function seconds(option: string, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && value > 0 && value <= MAX_SECONDS) return value * 1000;
  throw wrong(`${option} must be a whole number above 0, not ${JSON.stringify(value)}`);
}

type Named = { rawPayload?: boolean; ttl?: number; cloudEvent: Record<string, string> };

function read(metadata: Readonly<Record<string, string>>): Named {
  const named: Named = { cloudEvent: {} };
  for (const [given, value] of Object.entries(metadata)) {
    const name = given.toLowerCase();
    if (name === "rawpayload") named.rawPayload = flag(value);
    else if (name === "ttlinseconds" || name === "ttl") named.ttl = duration(given, value);
    else {
      const [, key] = attribute.exec(name) ?? [];
      // Dapr's old name of the trace.
      if (key) named.cloudEvent[key === "traceid" ? "traceparent" : key] = value;
    }
  }
  return named;
}

function flag(text: string): boolean {
  const value = toFlag(text);
  if (value !== undefined) return value;
  throw wrong(`rawPayload must be true or false, not ${JSON.stringify(text)}`);
}

function duration(name: string, text: string): number {
  const ms = toMilliseconds(text);
  if (ms && ms <= MAX_SECONDS * 1000) return ms;
  throw wrong(`${name} must be seconds or a duration above 0, not ${JSON.stringify(text)}`);
}

function wrong(message: string) {
  return pubsubError("ERR_PUBSUB_REQUEST_METADATA", message, { kind: "invalid" });
}
