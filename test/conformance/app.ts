import { Hono } from "hono";
import { type StateCaseName, stateCases } from "../../src/conformance/index.ts";
import { messageOf } from "../../src/errors.ts";
import { type App, defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import { movableClock, realClock } from "../harness/clock.ts";
import { bedOf } from "./bed.ts";

/** Pass it to the target's `serve` together with the app. */
export const clock = movableClock();

export interface ConformanceOptions {
  /** Where the time to live of the app's stores obeys their server. */
  readonly serverClock?: boolean;
  /** The shortest time to live that its stores take. */
  readonly leastTtl?: number;
}

/** Runs conformance cases inside whatever platform serves it. */
export function conformance({ serverClock, leastTtl }: ConformanceOptions = {}): App {
  const http = new Hono<PillionEnv>();
  http.use(pillion());
  http.post("/case/:store", async (c) => {
    const name = (await c.req.text()) as StateCaseName;
    try {
      const state = c.var.blocks.state(c.req.param("store"));
      await stateCases[name].run(bedOf(state, serverClock ? realClock : clock, leastTtl));
      return c.json({ passed: true });
    } catch (error) {
      return c.json({ passed: false, message: messageOf(error), stack: (error as Error).stack });
    }
  });
  return defineApp({ id: "conformance", fetch: http.fetch });
}

export default conformance();
