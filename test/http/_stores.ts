import * as memory from "../../bindings/memory.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { StateStore } from "../../src/contracts/state.ts";
import { ComponentError, type ErrorKind } from "../../src/errors.ts";
import { type ApiSettings, type Process, runtimeApi } from "../../src/http/index.ts";
import type { PillionEvent } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { webHost } from "../../src/web.ts";
import { type Got, throughHandle } from "./_run.ts";

interface Options extends ApiSettings {
  readonly components?: Readonly<Record<string, Component>>;
  readonly process?: Partial<Process>;
  readonly env?: Readonly<Record<string, unknown>>;
}

/** The API on an in-memory store called `store`, with what its runtime tells. */
export function apiWith({ components, process, env = {}, ...settings }: Options = {}) {
  const events: PillionEvent[] = [];
  const runtime = createRuntime({
    id: "app",
    components: components ?? { store: memory.state({}) },
    host: webHost("node", { env }),
    onEvent: (event) => void events.push(event),
  });
  const api = runtimeApi(runtime, {
    ...settings,
    process: process && {
      waitingFor: () => [],
      outboundReady: () => true,
      shutdown: () => undefined,
      ...process,
    },
  });
  return { api, runtime, events };
}

/** The in-memory store with some of its parts replaced. */
export function storeOf(
  changes: (store: StateStore) => Partial<StateStore>,
  features?: readonly string[],
): Component {
  const component = memory.state({});
  return {
    ...component,
    features: features ?? component.features,
    open: (host, name) => {
      const store = component.open(host, name) as StateStore;
      return { ...store, ...changes(store) };
    },
  };
}

/** Sends requests to the API on a store that differs from one in memory by `changes`. */
export function senderOf(changes: Partial<StateStore>, features?: readonly string[]) {
  const { api, events, runtime } = apiWith({
    components: { store: storeOf(() => changes, features) },
  });
  const through = throughHandle(api);
  const send = (method: string, path: string, body?: string, headers = {}) =>
    through({ method, path, headers, body });
  return { send, api, events, runtime };
}

/** The status of an answer, with the members of its body. */
export const errorOf = ({ status, body }: Got) => ({ status, ...JSON.parse(body || "{}") });

/** A method of a store that fails so. */
export const failing = (kind: ErrorKind) => async () => {
  throw new ComponentError(kind, "the service said so");
};
