import { settingsOf } from "../settings.ts";
import type { Component, Fields, Options, Settings } from "./component.ts";
import type { Call, Host, Target } from "./host.ts";

/** A secret: values by key. Most have one, under the secret's own name. */
export type Secret = Readonly<Record<string, string>>;

/** A read-only store of secrets by name. */
export interface SecretStore {
  /** Resolves to undefined when there is no such secret, or this store may not show it. */
  get(name: string, call: Call): Promise<Secret | undefined>;

  /** MUST be safe to call twice. */
  close?(): Promise<void>;
}

export interface SecretStoreDefinition<F extends Fields> {
  readonly type: `secretstores.${string}`;
  readonly fields: F;
  readonly runsOn: readonly Target[];
  open(settings: Settings<F>, host: Host, name: string): SecretStore;
}

/** Declares a secret store. Mark the call `@__PURE__` and keep the fields literal, or bundlers keep it unused. */
export function secretStore<const F extends Fields>(
  definition: SecretStoreDefinition<F>,
): (options: Options<F>) => Component<"secretstores"> {
  const { type, runsOn, fields } = definition;
  return (options) => ({
    type,
    runsOn,
    fields,
    options,
    features: [],
    clock: "host",
    open: (host, name) => definition.open(settingsOf(fields, options, name), host, name),
  });
}

/** Whether a variable holds a secret of the runtime's own: Dapr shows them to no component and no app, whatever their case. */
export function isGuarded(variable: string): boolean {
  return /^(APP_API_TOKEN$|DAPR_)/i.test(variable);
}
