import { Hono } from "hono";
import { defineApp, pillion, type PillionEnv } from "../../src/index.ts";
import { stateCases, type StateCaseName } from "../../src/conformance/index.ts";
import { messageOf } from "../../src/errors.ts";
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
