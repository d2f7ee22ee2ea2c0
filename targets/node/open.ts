import * as sqlite from "../../bindings/node/sqlite.ts";
import type { App } from "../../src/app.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { portsOf, type ServeOptions } from "../../src/serve.ts";
import { processHost } from "../_process/host.ts";
import { startUp } from "../_process/startup.ts";

const FOLDER = ".pillion";
/** One for every block, so that an outbox can be one commit. */
const FILE = `${FOLDER}/pillion.db`;

const defaults = { statestore, pubsub };

function statestore() {
  ignoreFolder();
  return sqlite.state({ connectionString: FILE, cleanupInterval: "1h" });
}

function pubsub() {
  ignoreFolder();
  return sqlite.pubsub({ connectionString: FILE });
}

/** Keeps what an app stores locally out of its repository, as other tools' folders of the kind do. */
function ignoreFolder(): void {
  const { mkdirSync, writeFileSync } = process.getBuiltinModule("node:fs");
  try {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(`${FOLDER}/.gitignore`, "*\n", { flag: "wx" });
  } catch {
    // It is there already, or the folder cannot be written, which opening the database will say better.
  }
}

/**
 * The building blocks outside a server: for scripts, migrations and tests. Close it, or declare it with
 * `await using`. A name that nobody declares and that has a default is a SQLite file in `.pillion/`.
 * Throws `ERR_CONFIGURATION` for components that cannot work.
 */
export async function open(app: App, options: ServeOptions = {}): Promise<Runtime> {
  const { components = {}, onEvent } = options;
  const host = processHost("node", portsOf(options));
  const runtime = createRuntime({ id: app.id, components, defaults, onEvent, host });
  try {
    await startUp(runtime, components, (component, _component, outcome) => {
      if (outcome.connected) return;
      const { error } = outcome;
      // Where nobody listens, nothing else says that the process runs without it.
      if (onEvent) runtime.onEvent?.({ type: "component.failed", component, error });
      else process.emitWarning(error.message, "PillionWarning");
    });
  } catch (error) {
    await runtime.close();
    throw error;
  }
  return runtime;
}
