import { afterAll, beforeAll } from "vitest";
import { state } from "../../bindings/upstash.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { type RedisServer, startRedis } from "../harness/redis.ts";
import { startUpstash, type UpstashFront } from "../harness/upstash.ts";
import type { UpstashOptions } from "./_upstash-store.ts";

export interface UpstashBed {
  readonly redis: RedisServer;
  readonly front: UpstashFront;
  /** Settings that fit the front. */
  readonly options: { readonly url: string; readonly token: string };
}

/** A Redis with our front before it, for the tests of one file. */
export function upstashBed(): UpstashBed {
  const bed = {} as { redis: RedisServer; front: UpstashFront; options: UpstashBed["options"] };
  beforeAll(async () => {
    bed.redis = await startRedis();
    bed.front = await startUpstash(bed.redis.port);
    bed.options = { url: bed.front.url, token: bed.front.token };
  });
  afterAll(async () => {
    await bed.front?.stop();
    await bed.redis?.stop();
  });
  return bed;
}

/** A component for a suite that declares its tests before its server has started. */
export function later(options: () => UpstashOptions): Component<"state"> {
  return {
    ...state({}),
    open: (host, name) => state(options()).open(host, name),
  };
}

/** The app `orders` with one store, named `store`. */
export function runtimeOn(options: UpstashOptions, ports: Partial<Host> = {}): Runtime {
  return createRuntime({
    id: "orders",
    components: { store: state(options) },
    host: processHost("node", ports),
  });
}
