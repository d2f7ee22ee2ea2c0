import type { Listener } from "../events.ts";
import { type Components, createRuntime, type Runtime } from "../runtime.ts";
import { hostOf } from "../web.ts";
import { failureOf } from "./answers.ts";
import { type Api, type ApiSettings, checkToken, limitOf, runtimeApi } from "./api.ts";

export interface ApiOptions extends ApiSettings {
  /** Dapr's app id: part of every stored key. */
  readonly id: string;
  /** By the name that requests use. There are no defaults. */
  readonly components: Components;
  /** Told what the runtime does: calls, failures. What it throws is dropped. */
  readonly onEvent?: Listener | undefined;
  /**
   * What components read variables from, and the token. Default: what `fetch` is given as `env`, which holds them on
   * Workers and in apps that are served; elsewhere pass `process.env`.
   */
  readonly env?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Dapr's HTTP API on components of its own, to be mounted in any app: `http.mount("/", createApi({ id, components }).fetch)`.
 * The components open on first use; what cannot work is answered as `ERR_CONFIGURATION`. There are no routes that
 * shut down or change metadata. Throws `ERR_CONFIGURATION` for settings of the API that cannot work.
 */
export function createApi(options: ApiOptions): Api {
  const maxBodySize = limitOf(options);
  checkToken(options);
  let opened: { readonly runtime: Runtime; readonly api: Api } | undefined;
  return {
    async fetch(request, env, context) {
      let api: Api;
      try {
        api = open(env, context);
      } catch (error) {
        const { status, headers, body } = failureOf(error, undefined, options.onEvent);
        return new Response(body as BodyInit, { status, headers });
      }
      return api.fetch(request, env, context);
    },
    async handle(request) {
      try {
        return await open(undefined, undefined).handle(request);
      } catch (error) {
        return failureOf(error, undefined, options.onEvent);
      }
    },
    async close() {
      await opened?.api.close();
      await opened?.runtime.close();
    },
    maxBodySize,
  };

  function open(env: unknown, context: unknown): Api {
    if (opened) return opened.api;
    const { id, components, onEvent } = options;
    const host = hostOf(options.env ?? env, context);
    const runtime = createRuntime({ id, components, onEvent, host });
    opened = { runtime, api: runtimeApi(runtime, options) };
    return opened.api;
  }
}
