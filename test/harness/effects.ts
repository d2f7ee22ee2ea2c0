import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { registry } from "../../bindings/node/registry.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Blocks } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "./folder.ts";

/** Where handlers commit their effects, and whether they do it behind an inbox. */
export interface Effects {
  readonly type: `state.${string}`;
  readonly options: object;
  readonly idempotent: boolean;
}

/** The app whose processes are killed: its effects are read back under the same id. */
export const APP = "shop";

const PREFIX = "effect-";

/**
 * A folder in memory, where the machine has such a thing: SIGKILL takes nothing that was written there either, and 20,000
 * commits do not wait for a disk that others use.
 */
export function inMemory(): Disposable & { readonly path: string } {
  const memory = "/dev/shm";
  const path = existsSync(memory) ? mkdtempSync(`${memory}/pillion-`) : newFolder("effects");
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export async function storeOf({ type, options }: Effects): Promise<Component<"state">> {
  const create = await registry[type]?.();
  if (!create) throw new Error(`no component ${type}`);
  return create(options) as Component<"state">;
}

/** Commits the effect of a number: a row of its own each time, which nothing but an inbox refuses. */
export async function commitEffect({ state }: Blocks, number: number): Promise<void> {
  const key = `${PREFIX}${number}-${crypto.randomUUID()}`;
  await state("statestore").transaction([{ operation: "upsert", key, value: number }]);
}

export interface Tally {
  /** Numbers without an effect. */
  readonly missing: readonly number[];
  /** Numbers whose effect was committed more than once. */
  readonly twice: readonly number[];
}

/** Counts the effects of the numbers below `count`. */
export async function tallyOf(effects: Effects, count: number): Promise<Tally> {
  const components = { statestore: await storeOf(effects) };
  await using runtime = createRuntime({ id: APP, components, host: processHost("node") });
  const state = runtime.blocks.state("statestore");
  const times = new Array<number>(count).fill(0);
  let cursor: string | undefined;
  do {
    const page = await state.list({ prefix: PREFIX, limit: 1000, cursor });
    for (const key of page.keys) {
      const number = Number.parseInt(key.slice(PREFIX.length), 10);
      times[number] = (times[number] ?? 0) + 1;
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  const having = (is: (often: number) => boolean) =>
    times.flatMap((often, number) => (is(often) ? [number] : []));
  return { missing: having((often) => often === 0), twice: having((often) => often > 1) };
}
