import { registry } from "../../bindings/node/registry.ts";
import type { Components } from "../../src/runtime.ts";
import { compile } from "../_app/rules.ts";
import { processHost } from "../_process/host.ts";
import { readingOnce } from "../_resources/folder.ts";
import { loadComponents } from "../_resources/load.ts";
import { loadSubscriptions } from "../_resources/subscriptions.ts";
import { withSubscriptions } from "./declared.ts";

export interface ResourceOptions {
  /** The app's id, which scopes and templates go by. */
  readonly id: string;
  /**
   * Variables that `envRef` and `secretstores.local.env` read, and NAMESPACE and POD_NAME for templates and the choice of
   * components. Default: the process's.
   */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Told what is left out, such as a setting that no component has: file, line and name. Default: a process warning. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The components that Dapr's YAML declares for an app in a folder, or in several: what `serve` and `open` take as
 * `components`. They connect when the process starts, within their `initTimeout`. What `Subscription` resources subscribe
 * the app to comes with them: `serve` brings its events to the paths of the app.
 * Throws `ERR_CONFIGURATION` with file, line and field for the first thing that is wrong.
 */
export async function resources(
  paths: string | readonly string[],
  { id, env = process.env, onWarning = warnProcess }: ResourceOptions,
): Promise<Components> {
  const host = processHost("node", { env });
  const read = readingOnce();
  const folders = typeof paths === "string" ? [paths] : paths;
  const [components, subscriptions] = await Promise.all([
    loadComponents(folders, { id, host, registry, onWarning, read }),
    loadSubscriptions(folders, { id, host, compile, warn: onWarning, read }),
  ]);
  return withSubscriptions(components, subscriptions);
}

function warnProcess(message: string): void {
  process.emitWarning(message, "PillionWarning");
}
