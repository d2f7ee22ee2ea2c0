import { describe, test } from "vitest";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import {
  type PubSubBed,
  type PubSubCase,
  type PubSubCaseName,
  pubSubCases,
} from "../../src/conformance/index.ts";
import type { Component } from "../../src/contracts/component.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";

export type MakePubSub = (consumerID: string) => Component<"pubsub">;

export interface PubSubSuiteOptions {
  /** Cases left out, each with the reason. */
  readonly skips?: Partial<Record<PubSubCaseName, string>>;
  readonly wildcard?: PubSubBed["wildcard"];
  /** What a topic's name is made of, where not every name will do. Default: `<run>-<name>`. */
  readonly topic?: (run: string, name: string) => string;
  /** Every subscriber and the publisher use one instance: for a bus that is one process's own. */
  readonly alone?: boolean;
}

/** Declares one test per case for a component that a process pulls from. */
export function pubSubSuite(
  title: string,
  make: MakePubSub,
  options: PubSubSuiteOptions = {},
): void {
  describe(title, { timeout: 120_000, concurrent: true }, () => {
    for (const name of pubSubCasesFor(make("features").features)) {
      const reason = options.skips?.[name];
      test.skipIf(reason !== undefined)(
        reason === undefined ? name : `${name} (skipped: ${reason})`,
        () => runCase(name, make, options),
      );
    }
  });
}

export function pubSubCasesFor(features: readonly string[]): PubSubCaseName[] {
  const entries = Object.entries(pubSubCases) as [PubSubCaseName, PubSubCase][];
  return entries.flatMap(([name, { needs = [], lacks }]) => {
    const wanted =
      needs.every((feature) => features.includes(feature)) &&
      (lacks === undefined || !features.includes(lacks));
    return wanted ? [name] : [];
  });
}

async function runCase(name: PubSubCaseName, make: MakePubSub, options: PubSubSuiteOptions) {
  const { wildcard, alone } = options;
  const run = `r${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  const topic = options.topic ?? ((run, name) => `${run}-${name}`);
  const runtimes = new Map<string, Runtime>();
  const runtimeOf = (consumer: string, process: number | string) => {
    const key = alone ? "all" : `${consumer} ${process}`;
    const known = runtimes.get(key);
    if (known) return known;
    const id = `${run}-${consumer}`;
    const components = { pubsub: make(id) };
    const made = createRuntime({ id, components, host: processHost("node") });
    runtimes.set(key, made);
    return made;
  };
  try {
    const test: PubSubCase = pubSubCases[name];
    await test.run({
      publisher: runtimeOf("publisher", "").blocks.pubsub("pubsub"),
      topic: (name) => topic(run, name),
      ...(wildcard && { wildcard }),
      subscribe: (topic, handler, { consumer = "a", process = 1, ...rest } = {}) =>
        startSubscriptions(runtimeOf(consumer, process), [
          subscribe("pubsub", topic, handler, rest),
        ]),
    });
  } finally {
    await Promise.all([...runtimes.values()].map((runtime) => runtime.close()));
  }
}
