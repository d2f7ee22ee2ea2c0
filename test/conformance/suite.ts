import { describe, test } from "vitest";
import { type StateCase, type StateCaseName, stateCases } from "../../src/conformance/index.ts";
import type { Component } from "../../src/contracts/component.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { movableClock, realClock } from "../harness/clock.ts";
import { bedOf } from "./bed.ts";

export interface SuiteOptions {
  /** Cases left out, each with the reason. */
  readonly skips?: Partial<Record<StateCaseName, string>>;
  /** Cases at the same time: for a server's own clock, which none of them moves, so that they wait together. */
  readonly concurrent?: boolean;
}

/** Declares one test per case that the features call for; `run` runs it, here or inside a platform. */
export function stateSuite(
  title: string,
  features: readonly string[],
  run: (name: StateCaseName) => Promise<void>,
  { skips = {}, concurrent = false }: SuiteOptions = {},
): void {
  describe(title, { concurrent }, () => {
    for (const name of casesFor(features)) {
      const reason = skips[name];
      test.skipIf(reason !== undefined)(
        reason === undefined ? name : `${name} (skipped: ${reason})`,
        () => run(name),
      );
    }
  });
}

export function casesFor(features: readonly string[]): StateCaseName[] {
  const entries = Object.entries(stateCases) as [StateCaseName, StateCase][];
  return entries.flatMap(([name, { needs, lacks }]) => {
    const wanted =
      (needs === undefined || needs.every((feature) => features.includes(feature))) &&
      (lacks === undefined || !features.includes(lacks));
    return wanted ? [name] : [];
  });
}

/** Runs the suite on a component in this process. */
export function localStateSuite(
  title: string,
  component: Component<"state">,
  skips?: SuiteOptions["skips"],
): void {
  const concurrent = component.clock === "server";
  const clock = concurrent ? realClock : movableClock();
  const runtime = createRuntime({
    id: "conformance",
    components: { store: component },
    host: processHost("node", { clock }),
  });
  stateSuite(
    title,
    component.features,
    (name) => stateCases[name].run(bedOf(runtime.blocks.state("store"), clock)),
    { skips, concurrent },
  );
}

/** Runs cases inside a platform that serves `app.ts`. */
export function remoteRunner(
  url: () => string,
  store = "statestore",
): (name: StateCaseName) => Promise<void> {
  return async (name) => {
    const response = await fetch(`${url()}/case/${store}`, { method: "POST", body: name });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    const result = JSON.parse(text) as { passed: boolean; stack?: string };
    if (!result.passed) throw new Error(result.stack);
  };
}
