import { Hono } from "hono";
import { type StateCaseName, stateCases } from "../../src/conformance/index.ts";
import { messageOf } from "../../src/errors.ts";
import { defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import { movableClock } from "../harness/clock.ts";
import { bedOf } from "./bed.ts";

/** Pass it to the target's `serve` together with the app. */
export const clock = movableClock();

const http = new Hono<PillionEnv>();
http.use(pillion());
http.post("/case/:store", async (c) => {
  const name = (await c.req.text()) as StateCaseName;
  try {
    await stateCases[name].run(bedOf(c.var.blocks.state(c.req.param("store")), clock));
    return c.json({ passed: true });
  } catch (error) {
    return c.json({ passed: false, message: messageOf(error), stack: (error as Error).stack });
  }
});

/** Runs conformance cases inside whatever platform serves it. */
export default defineApp({ id: "conformance", fetch: http.fetch });
