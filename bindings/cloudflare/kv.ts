import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import {
  expiryOf,
  type ReadOptions,
  type StateStore,
  type StoredItem,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";

const unused =
  "Not used in a Worker, which reaches KV by itself; Dapr goes through a Worker of its own.";

const fields = {
  kvNamespaceID: {
    type: "string",
    required: true,
    description: "Worker binding of the KV namespace.",
  },
  workerUrl: { type: "string", description: unused },
  workerName: { type: "string", description: unused },
  key: { type: "string", sensitive: true, description: unused },
  cfAPIToken: { type: "string", sensitive: true, description: unused },
  cfAccountID: { type: "string", description: unused },
  timeoutInSeconds: { type: "duration", description: unused },
} as const;

/** State in Workers KV: read everywhere at once, written eventually, without ETags, transactions or listing. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.cloudflare.workerskv",
  runsOn: ["workers"],
  clock: "host",
  fields,
  features: () => ["TTL"],
  open: kvStore,
});

/** The parts of a KV namespace that are used, typed so that Cloudflare's own types fit. */
interface Namespace {
  getWithMetadata(
    key: string,
    type: "arrayBuffer",
  ): Promise<{ readonly value: ArrayBuffer | null; readonly metadata: unknown }>;
  put(
    key: string,
    value: string | Uint8Array,
    options: { expirationTtl?: number; metadata?: Metadata },
  ): Promise<void>;
  delete(key: string): Promise<void>;
}

/** What pillion keeps beside a value that needs it; Dapr's Worker keeps nothing there. */
interface Metadata {
  readonly bytes?: true;
  /** Seconds since the epoch: KV itself does not say when an item ends. */
  readonly expires?: number;
}

// KV's limits, from developers.cloudflare.com/kv/platform/limits and …/kv/api/write-key-value-pairs.
const MAX_KEY = 512;
/** 25 MiB, written out: bundlers keep a product that nobody uses. */
const MAX_VALUE = 26_214_400;
const LEAST_TTL = 60;
/** KV takes no more, and so does core. */
const MAX_TTL = 2_147_483_647;

function kvStore({ kvNamespaceID }: Settings<typeof fields>, host: Host, name: string): StateStore {
  const namespace = namespaceOf(kvNamespaceID, host, name);
  const { clock } = host;
  // A mark of byte order belongs to the text: without it, what is read would not be what was written.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  return {
    async get(key, { consistency }) {
      refuseStrong(consistency);
      checkKey(key);
      const { value, metadata } = await ask(() => namespace.getWithMetadata(key, "arrayBuffer"));
      if (value === null) return undefined;
      const item = toItem(new Uint8Array(value), metadata, decoder);
      return item.expires !== undefined && item.expires * 1000 <= clock.now() ? undefined : item;
    },

    async set(key, value, { ttl, consistency }) {
      refuseStrong(consistency);
      checkKey(key);
      const stored = "json" in value ? value.json : value.bytes;
      if (exceeds(MAX_VALUE, stored)) throw invalid(`takes ${MAX_VALUE} bytes in a value: ${key}`);
      const options = optionsOf(value, ttl);
      await ask(() => namespace.put(key, stored, options));
      return undefined;
    },

    async delete(key) {
      checkKey(key);
      await ask(() => namespace.delete(key));
    },

    native: () => namespace,
  };

  function optionsOf(value: StoredValue, ttl: number | undefined) {
    if (ttl !== undefined && ttl < LEAST_TTL) {
      throw invalid(`takes a ttlInSeconds of ${LEAST_TTL} or more, not ${ttl}`);
    }
    const expires = expiryOf(ttl, clock);
    if (expires === undefined && "json" in value) return {};
    const metadata = { ...("bytes" in value && { bytes: true as const }), expires };
    // KV counts from the second that has begun; with one more it is not early.
    return ttl === undefined
      ? { metadata }
      : { metadata, expirationTtl: Math.min(ttl + 1, MAX_TTL) };
  }

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (cause) {
      const text = messageOf(cause);
      const status = Number(/failed: (\d+)/.exec(text)?.[1]);
      if (status === 400 || status === 413 || status === 414) throw invalid(`said: ${text}`);
      const why = status === 429 ? `${text} (it takes one write a second to a key)` : text;
      throw new ComponentError(
        "unavailable",
        `component ${name}: Workers KV did not do it: ${why}`,
        {
          cause,
        },
      );
    }
  }

  function checkKey(key: string): void {
    if (key === "." || key === "..") throw invalid(`takes no key ${key}`);
    if (exceeds(MAX_KEY, key)) {
      throw invalid(`takes ${MAX_KEY} bytes in a key, with what keyPrefix puts before it: ${key}`);
    }
  }

  function refuseStrong(consistency: ReadOptions["consistency"]): void {
    if (consistency !== "strong") return;
    throw new ComponentError(
      "unsupported",
      `component ${name}: Workers KV is eventually consistent: leave consistency out, or use another store`,
    );
  }

  function invalid(why: string): ComponentError {
    return new ComponentError("invalid", `component ${name}: Workers KV ${why}`);
  }
}

function toItem(bytes: Uint8Array, metadata: unknown, decoder: TextDecoder): StoredItem {
  const { bytes: marked, expires } = (metadata ?? {}) as Metadata;
  const end = Number.isSafeInteger(expires) ? expires : undefined;
  return {
    value: marked === true ? { bytes } : toValue(bytes, decoder),
    etag: undefined,
    expires: end,
  };
}

function toValue(bytes: Uint8Array, decoder: TextDecoder): StoredValue {
  try {
    return { json: decoder.decode(bytes), raw: bytes };
  } catch {
    return { bytes };
  }
}

/** The bytes of text are counted only where they may be too many: UTF-8 takes up to three for a UTF-16 unit. */
function exceeds(limit: number, value: string | Uint8Array): boolean {
  if (typeof value !== "string") return value.byteLength > limit;
  if (value.length * 3 <= limit) return false;
  return value.length > limit || new TextEncoder().encode(value).byteLength > limit;
}

function namespaceOf(binding: string, { env }: Host, component: string): Namespace {
  const namespace = env[binding] as Partial<Namespace> | undefined;
  if (typeof namespace?.getWithMetadata === "function") return namespace as Namespace;
  throw new ComponentError(
    "config",
    `component ${component}: the setting kvNamespaceID is ${binding}, and no KV namespace of that name is bound. Add to wrangler.toml:

  [[kv_namespaces]]
  binding = "${binding}"
  id = "<its id, from: wrangler kv namespace create>"
`,
  );
}
