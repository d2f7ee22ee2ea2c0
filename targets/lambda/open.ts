import type { App } from "../../src/app.ts";
import type { Component } from "../../src/contracts/component.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { portsOf, type ServeOptions } from "../../src/serve.ts";
import { commonHost } from "../_process/common.ts";
import { defaults } from "./defaults.ts";

/**
 * The building blocks outside a request: for scripts, migrations and tests. Close it, or declare it with
 * `await using`. A name that nobody declares and that has a default is kept in the table PILLION_TABLE.
 * Throws `ERR_CONFIGURATION` for components that cannot work.
 */
export async function open(app: App, options: ServeOptions = {}): Promise<Runtime> {
  return lambdaRuntime(app.id, options, defaults);
}

export function lambdaRuntime(
  id: string,
  options: ServeOptions,
  defaults?: Readonly<Record<string, () => Component>>,
): Runtime {
  const { components, onEvent } = options;
  return createRuntime({
    id,
    components,
    defaults,
    onEvent,
    host: commonHost("lambda", portsOf(options)),
  });
}
