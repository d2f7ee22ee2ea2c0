import { Redis } from "ioredis";
import { state } from "../../bindings/node/redis.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import type { StateStore } from "../../src/contracts/state.ts";
import type { Listener } from "../../src/events.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";

export type RedisOptions = Parameters<typeof state>[0];

/** A component for a suite that declares its tests before its server has started. */
export function later(options: () => RedisOptions): Component<"state"> {
  return {
    ...state({ redisHost: "127.0.0.1:9" }),
    open: (host, name) => state(options()).open(host, name),
  };
}

/** The app `orders` with one store, named `store`. */
export function runtimeOn(
  options: RedisOptions,
  ports: Partial<Host> = {},
  onEvent?: Listener,
): Runtime {
  return createRuntime({
    id: "orders",
    components: { store: state(options) },
    host: processHost("node", ports),
    onEvent,
  });
}

/** The store itself, for calls with a signal and a deadline of their own. */
export function storeOn(options: RedisOptions, ports: Partial<Host> = {}): StateStore {
  return state(options).open(processHost("node", ports), "store");
}

export function callOf(call: Partial<Call> = {}): Call {
  return { signal: undefined, deadline: undefined, trace: {}, waitUntil: () => {}, ...call };
}

/** What `work` rejected with. */
export async function failureOf(
  work: Promise<unknown> | undefined,
): Promise<Error & { readonly kind?: string }> {
  return (work ?? Promise.resolve()).then(
    () => new Error("it did not fail"),
    (reason: Error) => reason,
  );
}

/** As a user would make one for the component. */
export function ownClient(port: number): Redis {
  const client = new Redis({ port, host: "127.0.0.1", autoResendUnfulfilledCommands: false });
  client.on("error", () => {});
  return client;
}
