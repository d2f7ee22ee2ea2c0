import { describe, test } from "vitest";
import type { Component } from "../../src/contracts/component.ts";
import { type StateBed, type StateCase, type StateCaseName, stateCases } from "../../src/conformance/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { movableClock } from "../harness/clock.ts";

export type Skips = Partial<Record<StateCaseName, string>>;

/** Declares one test per case that the features call for; `run` runs it, here or inside a platform. */
export function stateSuite(
  title: string,
  features: readonly string[],
  run: (name: StateCaseName) => Promise<void>,
  skips: Skips = {},
): void {
  describe(title, () => {
    for (const name of casesFor(features)) {
      const reason = skips[name];
      test.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (skipped: ${reason})`, () => run(name));
    }
  });
}

export function casesFor(features: readonly string[]): StateCaseName[] {
  const entries = Object.entries(stateCases) as [StateCaseName, StateCase][];
  return entries.flatMap(([name, { needs, lacks }]) => {
    const wanted = (needs === undefined || features.includes(needs)) && (lacks === undefined || !features.includes(lacks));
    return wanted ? [name] : [];
  });
}

/** Runs the suite on a component in this process. */
export function localStateSuite(title: string, component: Component<"state">, skips: Skips = {}): void {
  const clock = movableClock();
  const runtime = createRuntime({ id: "conformance", components: { store: component }, host: processHost("node", { clock }) });
  stateSuite(title, component.features, (name) => stateCases[name].run(bedOf(runtime.blocks.state("store"), clock)), skips);
}

let beds = 0;

export function bedOf(state: StateBed["state"], clock: { now(): number; pass(ms: number): void }): StateBed {
  const run = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}-${beds++}`;
  return {
    state,
    key: (name) => `${run}-${name}`,
    now: clock.now,
    async pass(ms) {
      clock.pass(ms);
    },
  };
}
