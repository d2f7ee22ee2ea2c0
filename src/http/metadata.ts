import type { Component } from "../contracts/component.ts";
import { empty, json } from "./answers.ts";
import { rawOf } from "./body.ts";
import type { ApiResponse, Context, Exchange } from "./contract.ts";
import { sorted } from "./details.ts";

/** The version of Dapr whose API this is, which clients compare, and whose it is not: semantic versioning ignores what follows `+`. */
const VERSION = "1.18.3+pillion";

export function getMetadata({ context }: Exchange): ApiResponse {
  const { id, components = {} } = context.runtime.options;
  const subscriptions = context.process?.subscriptions?.() ?? [];
  const listed = Object.entries(components).map(describe);
  return json({
    id,
    runtimeVersion: VERSION,
    components: listed.length > 0 ? listed : undefined,
    extended: sorted(extendedOf(context)),
    subscriptions: subscriptions.length > 0 ? subscriptions : undefined,
    appConnectionProperties: context.process?.app,
    actorRuntime: {
      runtimeStatus: "DISABLED",
      hostReady: false,
      placement: "placement: disconnected",
    },
  });
}

export async function putMetadata(exchange: Exchange): Promise<ApiResponse> {
  const [name = ""] = exchange.params;
  const value = new TextDecoder().decode(await rawOf(exchange));
  exchange.context.extended.set(name, value);
  return empty();
}

function extendedOf(context: Context): Map<string, string> {
  const own = Object.entries(context.process?.extended ?? {});
  return new Map([...own, ...context.extended, ["daprRuntimeVersion", VERSION]]);
}

function describe([name, component]: [string, Component]): object {
  const { type, version = "v1" } = component;
  const capabilities = [...component.features];
  // What actors need of a store, as Dapr shows it.
  if (capabilities.includes("ETAG") && capabilities.includes("TRANSACTIONAL"))
    capabilities.push("ACTOR");
  return { name, type, version, ...(capabilities.length > 0 && { capabilities }) };
}
