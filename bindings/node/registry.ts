import type { Component } from "../../src/contracts/component.ts";

/** Makes a component. A method's type, so that it fits every factory: options found by name are checked when it opens. */
export type ComponentFactory = { create(options: object): Component }["create"];

/**
 * Every component by its type, loaded when it is asked for. For whoever knows components only by name:
 * a bundler takes in all of them.
 */
export const registry: Readonly<Record<string, () => Promise<ComponentFactory>>> = {
  "secretstores.local.env": async () => (await import("../env.ts")).secrets,
  "state.aws.dynamodb": async () => (await import("../aws/dynamodb.ts")).state,
  "state.cloudflare.durableobjects": async () =>
    (await import("../cloudflare/durable-objects.ts")).state,
  "state.in-memory": async () => (await import("../memory.ts")).state,
  "state.sqlite": async () => (await import("./sqlite.ts")).state,
};
