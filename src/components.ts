import { prefixOf } from "./blocks/keys.ts";
import { notBuilt, unbuiltBlocks } from "./blocks.ts";
import type { Component } from "./contracts/component.ts";
import type { Host } from "./contracts/host.ts";
import type { PubSub } from "./contracts/pubsub.ts";
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
  if (!/^(state|pubsub)$/.test(block)) {
    throw block in unbuiltBlocks
      ? notBuilt(block)
      : configurationError(`component ${name}: ${component.type} belongs to no building block`);
  }
  if (!component.runsOn.includes(host.target)) {
    throw configurationError(
      `component ${name}: ${component.type} does not run on ${host.target}, only on ${component.runsOn.join(", ")}`,
    );
  }
  keyPrefixOf(name, component, "", undefined);
}

interface OpenedComponent {
  readonly instance: StateStore | PubSub;
  readonly features: ReadonlySet<string>;
  /** Put before every key of a state store. */
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
  const instance = opened(name, component, appId, host);
  const { transaction, list } = instance as Partial<StateStore>;
  const claims = { TRANSACTIONAL: transaction, LIST: list };
  for (const [feature, method] of Object.entries(claims)) {
    if (!features.has(feature) || method) continue;
    throw configurationError(
      `component ${name}: ${component.type} claims ${feature} and has no method for it`,
    );
  }
  return { instance, features, prefix };
}

function opened(
  name: string,
  component: Component,
  appId: string,
  host: Host,
): StateStore | PubSub {
  try {
    // checkComponent let in nothing else.
    return component.open(host, name, appId) as StateStore | PubSub;
  } catch (cause) {
    if (ApiError.is(cause)) throw cause;
    const found = ComponentError.is(cause)
      ? cause.message
      : `component ${name} did not open: ${messageOf(cause)}`;
    throw configurationError(found, { cause });
  }
}

function keyPrefixOf(name: string, component: Component, id: string, namespace: unknown): string {
  const { keyPrefix = "none" } = settingsOf(component.fields, component.options, name);
  try {
    return prefixOf(String(keyPrefix), { id, name, namespace });
  } catch (cause) {
    throw configurationError(`component ${name}: the setting keyPrefix: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** The error for a name that nobody declared for the block. */
export function unknownComponent(block: string, name: string, names: readonly string[]): ApiError {
  const there = names.join(", ");
  if (block === "pubsub")
    return new ApiError("ERR_PUBSUB_NOT_FOUND", `pubsub ${name} is not found`);
  return there
    ? new ApiError(
        "ERR_STATE_STORE_NOT_FOUND",
        `state store ${name} is not found: there is ${there}`,
      )
    : new ApiError(
        "ERR_STATE_STORE_NOT_CONFIGURED",
        `state store ${name} is not configured: pass components: { ${name}: … }`,
      );
}
