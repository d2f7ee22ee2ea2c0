import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { registry } from "../../bindings/node/registry.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Target } from "../../src/contracts/host.ts";
import { processHost } from "../../targets/_process/host.ts";
import { loadComponents } from "../../targets/_resources/load.ts";
import { newFolder } from "../harness/folder.ts";

/** A folder with these files in it. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = newFolder("resources");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

export interface Loaded {
  readonly components: Readonly<Record<string, Component>>;
  readonly warnings: readonly string[];
}

export interface Loading {
  readonly id?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly target?: Target;
}

/** Loads folders; what is said of a file in the first one is said of its path from there. */
export async function load(paths: string | readonly string[], loading: Loading = {}) {
  const { id = "orders", env = {}, target = "node" } = loading;
  const [first] = [paths].flat();
  const near = (text: string) => text.replaceAll(`${first}/`, "");
  const warnings: string[] = [];
  const host = processHost(target, { env });
  const onWarning = (text: string) => warnings.push(near(text));
  try {
    const options = { id, host, registry, onWarning };
    return { components: await loadComponents([paths].flat(), options), warnings };
  } catch (error) {
    throw new Error(near((error as Error).message));
  }
}

/** A Component with this text for its `spec.metadata`, and more under its other fields. */
export function component(name: string, type: string, settings = "", more = ""): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
  metadata: [${settings}]
${more}
`;
}

/** What a test wants of a Subscription. */
export interface Wanted {
  readonly spec: string;
  readonly pubsub?: string;
  readonly version?: "v1alpha1" | "v2alpha1";
  readonly dead?: string;
  /** As YAML writes a list. */
  readonly scopes?: string;
}

/** A Subscription whose name is its topic's. */
export function subscription(name: string, wanted: Wanted): string {
  const { spec, pubsub = "pubsub", version = "v1alpha1", dead, scopes } = wanted;
  return `apiVersion: dapr.io/${version}
kind: Subscription
metadata: { name: ${name} }
spec:
  pubsubname: ${pubsub}
  topic: ${name}
${dead ? `  deadLetterTopic: ${dead}\n` : ""}  ${spec}
${scopes ? `scopes: ${scopes}\n` : ""}`;
}
