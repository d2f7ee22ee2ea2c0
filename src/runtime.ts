/// <reference lib="esnext.disposable" preserve="true" />
import { checkAppId } from "./app.ts";
import { prefixOf } from "./blocks/keys.ts";
import type { StandardSchema } from "./blocks/schema.ts";
import { createState } from "./blocks/state/create.ts";
import type { OpenedState } from "./blocks/state/handle.ts";
import { type Blocks, unbuiltBlocks } from "./blocks.ts";
import { backgroundCall } from "./call.ts";
import type { Component } from "./contracts/component.ts";
import type { Call, Host } from "./contracts/host.ts";
import { ApiError, ComponentError, configurationError, messageOf } from "./errors.ts";
import { guarded, type Listener } from "./events.ts";
import { settingsOf } from "./settings.ts";

/** Components by the name that the app calls them by. */
export type Components = Readonly<Record<string, Component>>;

export interface RuntimeOptions {
  readonly id: string;
  readonly components?: Components | undefined;
  /** Components for names that nobody declared, made on first use. */
  readonly defaults?: Readonly<Record<string, () => Component>> | undefined;
  readonly onEvent?: Listener | undefined;
  readonly host: Host;
}

/** Opens components on first use, hands out building blocks and owns the end of both. */
export interface Runtime extends AsyncDisposable {
  /** The building blocks outside any invocation. */
  readonly blocks: Blocks;
  /** Tells the user's listener, if there is one; what that throws is dropped. */
  readonly onEvent: Listener | undefined;
  /** The building blocks on behalf of one invocation. */
  blocksFor(call: Call): Blocks;
  /**
   * Refuses new calls with `ERR_RUNTIME_CLOSED`, waits for those under way and for `waitUntil` work of
   * {@link Runtime.blocks}, and closes every opened component.
   */
  close(): Promise<void>;
}

type Phase =
  | { readonly is: "open" }
  | { readonly is: "closing"; readonly drained: () => void }
  | { readonly is: "closed" };

/** Throws `ERR_CONFIGURATION` for a component that is malformed, set wrongly or cannot run on this target. */
export function createRuntime({
  id,
  components = {},
  defaults = {},
  onEvent: listener,
  host,
}: RuntimeOptions): Runtime {
  const onEvent = guarded(listener);
  checkAppId(id);
  for (const [name, component] of Object.entries(components)) checkComponent(name, component, host);

  const opened = new Map<string, OpenedState>();
  const background = backgroundCall(onEvent);
  let phase: Phase = { is: "open" };
  let active = 0;
  let closing: Promise<void> | undefined;

  const runtime: Runtime = {
    blocks: blocksFor(background),
    onEvent,
    blocksFor,
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => runtime.close(),
  };
  return runtime;

  function blocksFor(call: Call): Blocks {
    const state = (name: string, schema?: StandardSchema) => createState(find(name), call, schema);
    return Object.assign(Object.create(unbuiltBlocks) as object, { call, state }) as Blocks;
  }

  function find(name: string): OpenedState {
    return opened.get(name) ?? open(name);
  }

  function open(name: string): OpenedState {
    const component = Object.hasOwn(components, name) ? components[name] : defaultFor(name);
    if (!component) throw unknownStore(name);
    let store: OpenedState["store"];
    try {
      store = component.open(host, name);
    } catch (cause) {
      if (ApiError.is(cause)) throw cause;
      const found = ComponentError.is(cause)
        ? cause.message
        : `component ${name} did not open: ${messageOf(cause)}`;
      throw configurationError(found, { cause });
    }
    const { keyPrefix } = settingsOf(component.fields, component.options, name);
    const state: OpenedState = {
      name,
      store,
      features: new Set(component.features),
      prefix: prefixOf(String(keyPrefix), { id, name, namespace: host.env.NAMESPACE }),
      clock: host.clock,
      random: host.random,
      onEvent,
      enter,
      leave,
    };
    opened.set(name, state);
    onEvent?.({ type: "component.opened", component: name, componentType: component.type });
    return state;
  }

  function defaultFor(name: string): Component | undefined {
    const make = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
    const component = make?.();
    if (component) checkComponent(name, component, host);
    return component;
  }

  function unknownStore(name: string): ApiError {
    const names = [...Object.keys(components), ...Object.keys(defaults)];
    if (names.length === 0) {
      return new ApiError(
        "ERR_STATE_STORE_NOT_CONFIGURED",
        `state store ${name} is not configured: pass components: { ${name}: … }`,
      );
    }
    return new ApiError(
      "ERR_STATE_STORE_NOT_FOUND",
      `state store ${name} is not found: there is ${names.join(", ")}`,
    );
  }

  function enter(): void {
    if (phase.is !== "open")
      throw new ApiError("ERR_RUNTIME_CLOSED", `the runtime of app ${id} is ${phase.is}`);
    active++;
  }

  function leave(): void {
    active--;
    if (active === 0 && phase.is === "closing") phase.drained();
  }

  async function close(): Promise<void> {
    await background.settled();
    await new Promise<void>((drained) => {
      phase = { is: "closing", drained };
      if (active === 0) drained();
    });
    phase = { is: "closed" };
    for (const { name, store } of opened.values()) {
      try {
        await store.close?.();
        onEvent?.({ type: "component.closed", component: name });
      } catch (error) {
        onEvent?.({ type: "component.closed", component: name, error: error as Error });
      }
    }
  }
}

function checkComponent(name: string, component: Component, host: Host): void {
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
  settingsOf(component.fields, component.options, name);
}
