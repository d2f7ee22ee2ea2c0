import type { Context, MiddlewareHandler } from "hono";
import { attachedTo } from "./attach.ts";
import type { Blocks } from "./blocks.ts";
import { RequestCall, watch } from "./call.ts";
import type { Call } from "./contracts/host.ts";
import { configurationError } from "./errors.ts";
import type { Listener } from "./events.ts";
import { type Components, createRuntime, type Runtime } from "./runtime.ts";
import { hostOf } from "./web.ts";

/** For `new Hono<PillionEnv>()`: types `c.var.blocks`. */
export interface PillionEnv {
  Variables: { blocks: Blocks };
}

export interface PillionOptions {
  readonly id: string;
  readonly components: Components;
  readonly onEvent?: Listener;
  /** What components read variables from. Default: `c.env`, which holds them on Workers; elsewhere pass `process.env`. */
  readonly env?: Readonly<Record<string, unknown>>;
}

/**
 * Puts the building blocks on `c.var.blocks`. Without options it uses what `serve` set up; with them it
 * works in any Hono app, opening its components on the first request.
 * Throws `ERR_CONFIGURATION` when there is neither.
 */
export function pillion(options?: PillionOptions): MiddlewareHandler<PillionEnv> {
  let own: Runtime | undefined;
  return (c, next) => {
    const attached = options ? undefined : attachedTo(contextOf(c));
    c.set("blocks", attached ?? ownBlocks(c));
    return next();
  };

  function ownBlocks(c: Context): Blocks {
    const runtime = ownRuntime(c);
    return runtime.blocksFor(callOf(c, runtime.onEvent));
  }

  function ownRuntime(c: Context): Runtime {
    if (own) return own;
    if (!options) {
      throw configurationError(
        "pillion() found no runtime: serve the app with the serve of pillion/node, pillion/workers or pillion/lambda, or give pillion({ id, components })",
      );
    }
    own = createRuntime({ ...options, host: hostOf(options.env ?? c.env, contextOf(c)) });
    return own;
  }
}

function callOf(c: Context, onEvent: Listener | undefined): Call {
  const context = contextOf(c) as { waitUntil?(work: Promise<unknown>): void } | undefined;
  return new RequestCall(c.req.raw, (work) => {
    const watched = watch(work, onEvent);
    context?.waitUntil?.(watched);
  });
}

/** Hono's getter throws where the platform gave no execution context. */
function contextOf(c: Context): object | undefined {
  try {
    return c.executionCtx;
  } catch {
    return undefined;
  }
}
