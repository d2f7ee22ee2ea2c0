/// <reference lib="esnext.disposable" preserve="true" />
import { checkAppId } from "./app.ts";
import type { OpenedPubSub } from "./blocks/pubsub/handle.ts";
import type { OpenedState } from "./blocks/state/handle.ts";
import { type Blocks, BoundBlocks, type Find } from "./blocks.ts";
import { backgroundCall } from "./call.ts";
import { checkComponent, openComponent, unknownComponent } from "./components.ts";
import type { Component } from "./contracts/component.ts";
import type { Call, Host } from "./contracts/host.ts";
import { guarded, type Listener } from "./events.ts";
import { createLifecycle, type Lifecycle, within } from "./lifecycle.ts";

/** A block that runs in the app, or whichever it is. */
type RunningBlock = "state" | "pubsub" | "";
type OpenedComponent = OpenedState | OpenedPubSub;

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
  /** A component as its block uses it, for what builds on the runtime: throws as `state(name)` does. */
  readonly find: Find;
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
  const { find, closeAll } = createOpener(options, lifecycle, onEvent);
  const background = backgroundCall(onEvent);
  const blocksFor = (call: Call) => new BoundBlocks(call, find);
  let closing: Promise<void> | undefined;

  const runtime: Runtime = {
    options,
    blocks: blocksFor(background),
    onEvent,
    blocksFor,
    find,
    init: async (name, signal) => find("", name).instance.init?.({ ...background, signal }),
    close: (limitMs) => (closing ??= close(limitMs)),
    [Symbol.asyncDispose]: () => runtime.close(),
  };
  return runtime;

  async function close(limitMs: number | undefined): Promise<void> {
    const ended = background.settled().then(lifecycle.drained);
    await within(limitMs, ended, host.clock);
    lifecycle.closed();
    await closeAll();
  }
}

function createOpener(
  { id, components = {}, defaults = {}, host }: RuntimeOptions,
  { check, enter, leave }: Lifecycle,
  onEvent: Listener | undefined,
) {
  const opened = new Map<string, OpenedComponent>();
  return { find: find as Find, closeAll };

  function find(block: RunningBlock, name: string): OpenedComponent {
    const found = opened.get(name) ?? open(block, name);
    return found.component.type.startsWith(block) ? found : none(block, name);
  }

  function open(block: RunningBlock, name: string): OpenedComponent {
    check();
    const component = Object.hasOwn(components, name) ? components[name] : defaultFor(name);
    if (!component) return none(block, name);
    const { clock, random } = host;
    const found = openComponent(name, component, id, host);
    const runs = { name, appId: id, component, clock, random, onEvent, enter, leave, ...found };
    opened.set(name, runs as OpenedComponent);
    onEvent?.({ type: "component.opened", component: name, componentType: component.type });
    return runs as OpenedComponent;
  }

  function none(block: RunningBlock, name: string): never {
    throw unknownComponent(block, name, [...Object.keys(components), ...Object.keys(defaults)]);
  }

  function defaultFor(name: string): Component | undefined {
    const component = Object.hasOwn(defaults, name) ? defaults[name]?.() : undefined;
    if (component) checkComponent(name, component, host);
    return component;
  }

  async function closeAll(): Promise<void> {
    for (const { name, instance } of opened.values()) {
      try {
        await instance.close?.();
        onEvent?.({ type: "component.closed", component: name });
      } catch (error) {
        onEvent?.({ type: "component.closed", component: name, error: error as Error });
      }
    }
  }
}
