import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { PillionObject, withPillion } from "../../targets/workers/index.ts";

export { PillionObject };
export default withPillion(
  {
    async fetch(request: Request, env: { NAME: string }, _context: unknown, blocks) {
      const { pathname } = new URL(request.url);
      if (pathname === "/boom") throw new Error("passed on");
      await blocks.state("statestore").set("k", pathname);
      return Response.json({ name: env.NAME, stored: await blocks.state("statestore").get("k") });
    },
  },
  { id: "bare", components: { statestore: durableObjects.state({}) } },
);
