import { state } from "../../bindings/upstash.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import type { StateStore } from "../../src/contracts/state.ts";
import { processHost } from "../../targets/_process/host.ts";

export type UpstashOptions = Parameters<typeof state>[0];

/** The store itself, for calls with a signal and a deadline of their own. */
export function storeOn(options: UpstashOptions, ports: Partial<Host> = {}): StateStore {
  return state(options).open(processHost("node", ports), "store");
}

export function callOf(call: Partial<Call> = {}): Call {
  return { signal: undefined, deadline: undefined, trace: {}, waitUntil: () => {}, ...call };
}

/** What `work` rejected with. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<Error & { readonly kind?: string }> {
  return work.then(
    () => new Error("it did not fail"),
    (reason: Error) => reason,
  );
}
