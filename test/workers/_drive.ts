import type { State } from "../../src/blocks/state/api.ts";
import { fromWire, toWire } from "./_wire.ts";

/** What a call in the Worker threw. */
export interface Thrown extends Error {
  readonly code?: string;
  readonly kind?: string;
  readonly status?: number;
  readonly failures?: readonly string[];
}

/** A store of a Worker that serves `_driven.ts`. */
export function storeAt(url: string, on = "statestore"): State {
  return methodsOf(url, on) as State;
}

/** What lies under the Worker's stores. */
export function rawAt(url: string): Record<string, (...args: unknown[]) => Promise<unknown>> {
  return methodsOf(url, undefined) as Record<string, (...args: unknown[]) => Promise<unknown>>;
}

export async function passAt(url: string, ms: number): Promise<void> {
  await fetch(`${url}/pass/${ms}`, { method: "POST" });
}

export async function thrownBy(work: Promise<unknown>): Promise<Thrown> {
  return work.then(
    () => new Error("it did not fail"),
    (error: Thrown) => error,
  );
}

function methodsOf(url: string, on: string | undefined): object {
  return new Proxy(
    {},
    {
      get:
        (_, method) =>
        (...args: unknown[]) =>
          call(url, { on, method: String(method), args }),
    },
  );
}

async function call(url: string, request: object): Promise<unknown> {
  const response = await fetch(`${url}/call`, { method: "POST", body: toWire(request) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${text}`);
  const { result, error } = fromWire(text) as { result?: unknown; error?: Thrown };
  if (error) throw Object.assign(new Error(error.message), error);
  return result;
}
