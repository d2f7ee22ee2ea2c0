import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { defineApp } from "../../src/index.ts";
import { open } from "../../targets/workers/index.ts";

export { PillionObject } from "../../targets/workers/index.ts";

const app = defineApp({ id: "sweep" });
const day = 86_400_000;
const at = (now: number) => ({ now: () => now, sleep: async () => {} });

/** Writes and reads a day ago: there nothing has ended yet, so what is missing was removed by the object's alarm. */
export default {
  async fetch(request: Request): Promise<Response> {
    const components = { store: durableObjects.state({ object: "swept" }) };
    const { blocks } = await open(app, { components, clock: at(Date.now() - day) });
    const state = blocks.state("store");
    if (request.method === "POST") {
      await state.set("stays", 1);
      await state.set("ends", 1, { ttlInSeconds: 60 });
    }
    return Response.json((await state.list()).keys);
  },
};
