import type { Call, Host } from "../src/contracts/host.ts";
import { ComponentError, messageOf } from "../src/errors.ts";
import type { Reply } from "./_redis.ts";
import { explainReply } from "./_redis-errors.ts";

/** The part of a client of `@upstash/redis` that is used. */
export interface Client {
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  evalRo(script: string, keys: string[], args: string[]): Promise<unknown>;
}

export interface ClientSettings {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly timeout: number;
  readonly client: unknown;
}

export interface Link {
  /** Runs a script once. `replica`: where the nearest replica may answer. */
  run(
    script: string,
    keys: string[],
    args: string[],
    call: Call,
    replica?: boolean,
  ): Promise<Reply>;
  native(): Client;
}

/** Throws "config" where neither an address and a token nor a client is there. */
export function link(settings: ClientSettings, host: Host, component: string): Link {
  const { clock } = host;
  const connect = settings.client === undefined ? createOwn(settings, host, component) : undefined;
  let client = connect ? undefined : given(settings.client, component);
  /** Of the command that is being made: the client reads it before its first await, so that no two calls share it. */
  let signal: AbortSignal | undefined;

  return {
    async run(script, keys, args, call, replica = false) {
      // No promise is kept: on Workers one invocation cannot wait for what another has begun.
      client ??= await connect?.(() => signal);
      const { eval: run, evalRo } = client as Client;
      return inTime(call, async (stop) => {
        signal = stop;
        try {
          return (replica ? evalRo : run).call(client, script, keys, args) as Promise<Reply>;
        } finally {
          signal = undefined;
        }
      });
    },
    native() {
      if (client) return client;
      throw new ComponentError(
        "unavailable",
        `component ${component} makes its client in its first call, and there was none yet`,
      );
    },
  };

  /** Ends with the call, its time or its deadline, and so does the request. */
  function inTime<T>(call: Call, work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    call.signal?.throwIfAborted();
    const left = call.deadline === undefined ? settings.timeout : call.deadline - clock.now();
    const limit = Math.min(settings.timeout, left);
    if (limit <= 0) return Promise.reject(unavailable("the invocation is over: nothing was sent"));
    return new Promise<T>((resolve, reject) => {
      const stop = new AbortController();
      const timer = setTimeout(() => end(unavailable(lateBy(limit))), limit);
      const abort = () => end(call.signal?.reason);
      call.signal?.addEventListener("abort", abort, { once: true });
      function end(reason: unknown): void {
        clearTimeout(timer);
        reject(reason);
        stop.abort(reason);
      }
      work(stop.signal)
        .then(resolve, (cause) => reject(failureOf(cause, component)))
        .finally(() => {
          clearTimeout(timer);
          call.signal?.removeEventListener("abort", abort);
        });
    });
  }

  function unavailable(text: string): ComponentError {
    return new ComponentError("unavailable", `component ${component}: ${text}`);
  }
}

function lateBy(limit: number): string {
  return `Upstash did not answer within ${limit} ms (the setting timeout, or the end of the invocation): a write may have been made`;
}

type Connect = (signal: () => AbortSignal | undefined) => Promise<Client>;

function createOwn(settings: ClientSettings, { env }: Host, component: string): Connect {
  const url = needed("url", "UPSTASH_REDIS_REST_URL");
  const token = needed("token", "UPSTASH_REDIS_REST_TOKEN");
  if (!/^https?:\/\/[^\s/@#$.?][^\s/@]*(\/\S*)?$/.test(url)) {
    throw new ComponentError(
      "config",
      `component ${component}: the setting url must be the address of the REST API, which begins with https:// and holds no user name`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new ComponentError(
      "config",
      `component ${component}: the setting token holds a space, a line break or what no token holds`,
    );
  }
  return async (signal) => {
    // This entry is made of web standards alone, so it serves every platform.
    const { Redis } = await import("@upstash/redis/cloudflare");
    return new Redis({
      url,
      token,
      // What was sent may have been done: no command is sent twice. `false` would mean one repetition.
      retry: { retries: 0 },
      signal: signal as () => AbortSignal,
      responseEncoding: false,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
    });
  };

  function needed(setting: "url" | "token", variable: string): string {
    const value = settings[setting] ?? env[variable];
    if (typeof value === "string" && value !== "") return value;
    throw new ComponentError(
      "config",
      `component ${component} needs the setting ${setting}, or the variable ${variable}: Upstash's console shows both under REST API`,
    );
  }
}

function given(client: unknown, component: string): Client {
  const { eval: run, evalRo } = (client ?? {}) as Partial<Client>;
  if (typeof run === "function" && typeof evalRo === "function") return client as Client;
  throw new ComponentError(
    "config",
    `component ${component}: the setting client is no client of @upstash/redis: new Redis({ url, token })`,
  );
}

/** The client's own errors quote the command and with it the value: neither their text nor they themselves go on. */
function failureOf(cause: unknown, component: string): ComponentError {
  // A client may reject with anything.
  const error = Object(cause) as Error;
  const { name } = error;
  const [said = ""] = messageOf(cause).split(", command was: ");
  if (name === "UpstashJSONParseError") {
    return failure("unavailable", "what answered is not Upstash's REST API: check the setting url");
  }
  if (name !== "UpstashError") {
    const code = (error.cause as { readonly code?: string } | undefined)?.code;
    const why = code === undefined ? said : `${said}, ${code}`;
    return failure("unavailable", `no answer from Upstash (${why}): a write may have been made`);
  }
  if (/WRONGPASS|NOAUTH|unauthorized/i.test(said)) {
    return failure("config", "Upstash does not accept the token: check the setting token");
  }
  if (/max .*size exceeded/i.test(said)) return failure("invalid", `Upstash answered: ${said}`);
  const { kind, text } = explainReply(said);
  return failure(kind, text);

  function failure(kind: ComponentError["kind"], text: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${text}`);
  }
}
