import { prefixOf } from "./blocks/keys.ts";
import { unbuiltBlocks } from "./blocks.ts";
import type { Component } from "./contracts/component.ts";
import type { Host } from "./contracts/host.ts";
import type { StateStore } from "./contracts/state.ts";
import { ApiError, ComponentError, configurationError, messageOf } from "./errors.ts";
import { settingsOf } from "./settings.ts";

/** Throws `ERR_CONFIGURATION` for what is no component, is set wrongly or cannot run on this target. */
export function checkComponent(name: string, component: Component, host: Host): void {
  if (typeof component?.type !== "string" || typeof component.open !== "function") {
    throw configurationError(
      `component ${name} is not a component: call its factory, as in ${name}: memory.state({})`,
    );
  }
  const block = component.type.slice(0, component.type.indexOf("."));
  if (block !== "state") {
    throw block in unbuiltBlocks
      ? new ApiError(
          "ERR_BLOCK_NOT_BUILT",
          `component ${name}: the building block ${block} is not built yet`,
        )
      : configurationError(`component ${name}: ${component.type} belongs to no building block`);
  }
  if (!component.runsOn.includes(host.target)) {
    throw configurationError(
      `component ${name}: ${component.type} does not run on ${host.target}, only on ${component.runsOn.join(", ")}`,
    );
  }
  keyPrefixOf(name, component, "", undefined);
}

export interface OpenedComponent {
  readonly store: StateStore;
  readonly features: ReadonlySet<string>;
  /** Put before every key. */
  readonly prefix: string;
}

/** Throws `ERR_CONFIGURATION` for a component that does not open, or lacks what it claims. */
export function openComponent(
  name: string,
  component: Component,
  appId: string,
  host: Host,
): OpenedComponent {
  const features = new Set(component.features);
  const prefix = keyPrefixOf(name, component, appId, host.env.NAMESPACE);
  const store = opened(name, component, host);
  const claims = { TRANSACTIONAL: store.transaction, LIST: store.list };
  for (const [feature, method] of Object.entries(claims)) {
    if (!features.has(feature) || typeof method === "function") continue;
    throw configurationError(
      `component ${name}: ${component.type} claims ${feature} and has no method for it`,
    );
  }
  return { store, features, prefix };
}

function opened(name: string, component: Component, host: Host): StateStore {
  try {
    // checkComponent let in nothing but state.
    return component.open(host, name) as StateStore;
  } catch (cause) {
    if (ApiError.is(cause)) throw cause;
    const found = ComponentError.is(cause)
      ? cause.message
      : `component ${name} did not open: ${messageOf(cause)}`;
    throw configurationError(found, { cause });
  }
}

function keyPrefixOf(name: string, component: Component, id: string, namespace: unknown): string {
  const { keyPrefix } = settingsOf(component.fields, component.options, name);
  try {
    return prefixOf(String(keyPrefix), { id, name, namespace });
  } catch (cause) {
    throw configurationError(`component ${name}: the setting keyPrefix: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** The error for a store that nobody declared. */
export function unknownStore(name: string, names: readonly string[]): ApiError {
  return names.length === 0
    ? new ApiError(
        "ERR_STATE_STORE_NOT_CONFIGURED",
        `state store ${name} is not configured: pass components: { ${name}: … }`,
      )
    : new ApiError(
        "ERR_STATE_STORE_NOT_FOUND",
        `state store ${name} is not found: there is ${names.join(", ")}`,
      );
}
