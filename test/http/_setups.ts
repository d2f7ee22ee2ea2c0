import * as memory from "../../bindings/memory.ts";
import type { Component } from "../../src/contracts/component.ts";
import { componentYaml } from "../harness/sidecar.ts";
import type { Setup } from "./_rows.ts";

const scopes = { publishingScopes: "app=open", allowedTopics: "open,closed" };

/** What each setup of rows declares, in code. Made anew, because rows count on what nobody has written. */
export function componentsOf(setup: Setup): Readonly<Record<string, Component>> {
  if (setup === "bare") return {};
  const store = memory.state({});
  if (setup === "store") return { store };
  return { store, bus: memory.pubsub({}), scoped: memory.pubsub(scopes) };
}

const store = componentYaml("store", "state.in-memory");
const bus = componentYaml("bus", "pubsub.in-memory");
const scoped = componentYaml("scoped", "pubsub.in-memory", scopes);

/** The same in YAML. */
export const resourcesOf: Readonly<Record<Setup, Readonly<Record<string, string>>>> = {
  store: { "store.yaml": store },
  bus: { "all.yaml": [store, bus, scoped].join("---\n") },
  bare: {},
};
