/// <reference lib="esnext.disposable" preserve="true" />
import { checkAppId } from "./app.ts";
import type { OpenedState } from "./blocks/state/handle.ts";
import { type Blocks, BoundBlocks } from "./blocks.ts";
import { backgroundCall } from "./call.ts";
import { checkComponent, openComponent, unknownStore } from "./components.ts";
import type { Component } from "./contracts/component.ts";
import type { Call, Host } from "./contracts/host.ts";
import { guarded, type Listener } from "./events.ts";
import { createLifecycle, type Lifecycle, within } from "./lifecycle.ts";

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
  /** What it was made from. */
  readonly options: RuntimeOptions;
  /** The building blocks outside any invocation. */
  readonly blocks: Blocks;
  /** Tells the user's listener, if there is one; what that throws is dropped. */
  readonly onEvent: Listener | undefined;
  /** The building blocks on behalf of one invocation. */
  blocksFor(call: Call): Blocks;
  /** A state store as a block uses it, for what builds on the runtime: throws as `state(name)` does. */
  opened(name: string): OpenedState;
  /** Opens a component and connects it, which else its first call does. Throws as that would. */
  init(name: string, signal?: AbortSignal): Promise<void>;
  /**
   * Waits for `waitUntil` work of {@link Runtime.blocks}; then refuses new calls with `ERR_RUNTIME_CLOSED`,
   * waits for those under way, and closes every opened component. The two waits together take at most
   * `limitMs`, where that is given.
   */
  close(limitMs?: number): Promise<void>;
}

/** Throws `ERR_CONFIGURATION` for a component that is malformed, set wrongly or cannot run on this target. */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { id, host, components = {} } = options;
  checkAppId(id);
  for (const [name, component] of Object.entries(components)) checkComponent(name, component, host);

  const onEvent = guarded(options.onEvent);
  const lifecycle = createLifecycle(id);
  const stores = createStores(options, lifecycle, onEvent);
  const background = backgroundCall(onEvent);
  const blocksFor = (call: Call) => new BoundBlocks(call, stores.find);
  let closing: Promise<void> | undefined;

  const runtime: Runtime = {
    options,
    blocks: blocksFor(background),
    onEvent,
    blocksFor,
    opened: stores.find,
    init: async (name, signal) => stores.find(name).store.init?.({ ...background, signal }),
    close: (limitMs) => (closing ??= close(limitMs)),
    [Symbol.asyncDispose]: () => runtime.close(),
  };
  return runtime;

  async function close(limitMs: number | undefined): Promise<void> {
    const ended = background.settled().then(lifecycle.drained);
    await within(limitMs, ended, host.clock);
    lifecycle.closed();
    await stores.close();
  }
}

function createStores(
  { id, components = {}, defaults = {}, host }: RuntimeOptions,
  { check, enter, leave }: Lifecycle,
  onEvent: Listener | undefined,
) {
  const opened = new Map<string, OpenedState>();
  return { find, close };

  function find(name: string): OpenedState {
    return opened.get(name) ?? open(name);
  }

  function open(name: string): OpenedState {
    check();
    const component = Object.hasOwn(components, name) ? components[name] : defaultFor(name);
    if (!component) {
      throw unknownStore(name, [...Object.keys(components), ...Object.keys(defaults)]);
    }
    const { clock, random } = host;
    const found = openComponent(name, component, id, host);
    const state: OpenedState = { name, ...found, clock, random, onEvent, enter, leave };
    opened.set(name, state);
    onEvent?.({ type: "component.opened", component: name, componentType: component.type });
    return state;
  }

  function defaultFor(name: string): Component | undefined {
    const component = Object.hasOwn(defaults, name) ? defaults[name]?.() : undefined;
    if (component) checkComponent(name, component, host);
    return component;
  }

  async function close(): Promise<void> {
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
