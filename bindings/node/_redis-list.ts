import { isUtf8 } from "node:buffer";
import type { Cluster } from "ioredis";
import type { KeyPage } from "../../src/contracts/state.ts";
import { patternOf, picker, toPage } from "../_redis-list.ts";
import type { Client } from "./_redis-supply.ts";

/** Keys that a server looks at in one step; in between it serves others. */
const STEP = 1000;

/** Runs one step of a listing, each with a time limit of its own. */
export type Step = <T>(work: (client: Client) => Promise<T>) => Promise<T>;

/** One page of keys under `prefix`, in the order of their bytes, out of every server that has some. */
export async function listKeys(
  step: Step,
  prefix: string,
  limit: number,
  after: string | undefined,
): Promise<KeyPage> {
  const pattern = patternOf(prefix);
  const keys = picker(limit, after);
  for (const master of await step(async (client) => mastersOf(client))) {
    let cursor = "0";
    do {
      const at = cursor;
      const [next, found] = await step(() =>
        master.scanBuffer(at, "MATCH", pattern, "COUNT", STEP),
      );
      keys.add(texts(found));
      cursor = next.toString();
    } while (cursor !== "0");
  }
  const picked = keys.picked();
  const types = await step((client) => Promise.all(picked.map((key) => client.type(key))));
  return toPage(picked, types, limit);
}

/** A scan goes on where it began: another server, after a failover, has its keys in another order. */
function mastersOf(client: Client): Client[] {
  return client.isCluster ? (client as Cluster).nodes("master") : [client];
}

/** Without keys that are no text, which no call could name. */
function texts(keys: readonly Buffer[]): string[] {
  return keys.filter((key) => isUtf8(key)).map((key) => key.toString());
}
