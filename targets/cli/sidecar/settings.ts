import { registry } from "../../../bindings/node/registry.ts";
import type { Host } from "../../../src/contracts/host.ts";
import type { Components } from "../../../src/runtime.ts";
import type { PathSubscription } from "../../_app/routes.ts";
import { compile } from "../../_app/rules.ts";
import { type Configuration, emptyConfiguration } from "./defaults.ts";
import type { Log } from "./log.ts";
import type { Options } from "./options.ts";

export interface Declared {
  readonly configuration: Configuration;
  readonly components: Components;
  /** Of the app, where there is one. */
  readonly subscriptions: readonly PathSubscription[];
}

/** What the files of a sidecar say. Throws `ERR_CONFIGURATION` with file and line for the first thing that is wrong. */
export async function readSettings(options: Options, host: Host, log: Log): Promise<Declared> {
  const { id, app, resources, config } = options;
  const warn = (text: string) => log.write("warning", text);
  if (resources.length === 0) warn("there is no component: --resources-path names no folder");
  if (resources.length === 0 && config.length === 0) {
    return { configuration: emptyConfiguration, components: {}, subscriptions: [] };
  }
  const { loadComponents, loadSubscriptions, readConfiguration, readingOnce } = await import(
    "./resources.ts"
  );
  const read = readingOnce();
  const [configuration, components, subscriptions] = await Promise.all([
    readConfiguration(config, { env: variables(options), warn }),
    loadComponents(resources, { id, host, registry, onWarning: warn, read }),
    app ? loadSubscriptions(resources, { id, host, compile, warn, read }) : [],
  ]);
  const left = withoutRefused(components, configuration, warn);
  return { configuration, components: left, subscriptions };
}

/** The process's own, and those that daprd sets for itself. */
function variables({ id, app, api }: Options): Record<string, string | undefined> {
  return {
    ...process.env,
    APP_ID: id,
    APP_PORT: app && String(app.port),
    DAPR_PORT: String(api.port),
    DAPR_HTTP_PORT: String(api.port),
  };
}

function withoutRefused(
  components: Components,
  { refusedTypes }: Configuration,
  warn: (text: string) => void,
): Components {
  const kept = Object.entries(components).filter(([name, { type, version = "v1" }]) => {
    const refused = refusedTypes.some((entry) => entry === type || entry === `${type}/${version}`);
    if (refused) warn(`component ${name} is left out: components.deny refuses ${type}/${version}`);
    return !refused;
  });
  return Object.fromEntries(kept);
}
