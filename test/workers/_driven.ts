import { Hono } from "hono";
import { ApiError } from "../../src/errors.ts";
import { type App, defineApp, type PillionEnv, pillion } from "../../src/index.ts";
import type { MovableClock } from "../harness/clock.ts";
import { fromWire, toWire } from "./_wire.ts";

/** A Worker's own bindings, used without pillion, by a method's name. */
type Raw = Readonly<Record<string, (...args: never[]) => unknown>>;

/** An app whose stores a test drives from outside, through `_drive.ts`; `raw` reaches what lies under them. */
export function driven(clock: MovableClock, raw: (env: Record<string, never>) => Raw): App {
  const http = new Hono<PillionEnv & { Bindings: Record<string, never> }>();
  http.use(pillion());
  http.post("/call", async (c) => {
    const { on, method, args } = fromWire(await c.req.text()) as Request;
    const target = on === undefined ? raw(c.env) : c.var.blocks.state(on);
    try {
      const result = await (target as unknown as Raw)[method]?.(...(args as never[]));
      return c.text(toWire({ result }));
    } catch (error) {
      const { code, kind, status, message } = error as ApiError;
      if (!ApiError.is(error)) return c.text(toWire({ error: { message } }));
      const failures = error.failures.map(({ key }) => key);
      return c.text(toWire({ error: { code, kind, status, message, failures } }));
    }
  });
  http.post("/pass/:ms", (c) => {
    clock.pass(Number(c.req.param("ms")));
    return c.text("passed");
  });
  http.post("/count/:store/:times", async (c) => {
    const state = c.var.blocks.state(c.req.param("store"));
    for (let time = 0; time < Number(c.req.param("times")); time++) {
      await state.update("counter", (value: number | undefined) => (value ?? 0) + 1, {
        attempts: 1000,
      });
    }
    return c.text("counted");
  });
  return defineApp({ id: "orders", fetch: http.fetch });
}

interface Request {
  /** A store's name; absent for what lies under the stores. */
  readonly on?: string;
  readonly method: string;
  readonly args: readonly unknown[];
}
