import * as sqlite from "../../bindings/node/sqlite.ts";
import type { App } from "../../src/app.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { portsOf, type ServeOptions } from "../../src/serve.ts";
import { processHost } from "../_process/host.ts";

/** One file for every block, so that an outbox can be one commit. */
const DEFAULT_FILE = ".pillion/pillion.db";

const defaults = {
  statestore: () => sqlite.state({ connectionString: DEFAULT_FILE, cleanupInterval: "1h" }),
};

/**
 * The building blocks outside a server: for scripts, migrations and tests. Close it, or declare it with
 * `await using`. A name that nobody declares and that has a default is a SQLite file in `.pillion/`.
 * Throws `ERR_CONFIGURATION` for components that cannot work.
 */
export async function open(app: App, options: ServeOptions = {}): Promise<Runtime> {
  const { components, onEvent } = options;
  return createRuntime({ id: app.id, components, defaults, onEvent, host: processHost("node", portsOf(options)) });
}
