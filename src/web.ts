import type {
  Call,
  Clock,
  Hash,
  Host,
  Random,
  ServiceRequest,
  ServiceResponse,
  Target,
} from "./contracts/host.ts";

/** A host made of web standards alone. Targets replace the parts for which their platform has better. */
export function webHost(target: Target, ports: Partial<Host> = {}): Host {
  return {
    target,
    env: {},
    exports: {},
    clock: systemClock,
    random: systemRandom,
    hash: webHash,
    send,
    ...ports,
  };
}

/** The host of whichever platform gave `env` and `context` with a request. */
export function hostOf(env: unknown, context: unknown): Host {
  const { exports = {} } = (context ?? {}) as Pick<Partial<Host>, "exports">;
  const target =
    typeof navigator !== "undefined" && navigator.userAgent === "Cloudflare-Workers"
      ? "workers"
      : "node";
  return webHost(target, { env: (env ?? {}) as Host["env"], exports });
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, ms);
      function abort() {
        clearTimeout(timer);
        reject(signal?.reason);
      }
      signal?.addEventListener("abort", abort, { once: true });
    });
  },
};

const systemRandom: Random = { uuid: () => crypto.randomUUID(), number: () => Math.random() };

const webHash: Hash = {
  async sha256(data) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", data as BufferSource));
  },
  async hmac(key, data) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", key as BufferSource, algorithm, false, [
      "sign",
    ]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data as BufferSource));
  },
};

async function send(request: ServiceRequest, call: Call): Promise<ServiceResponse> {
  const response = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.body as BodyInit | undefined,
    redirect: "manual",
    signal: call.signal ?? null,
  });
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  };
}
