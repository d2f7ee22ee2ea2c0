import { readFileSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { bundleWorker, COMPATIBILITY_DATE } from "./workers.ts";

export interface MiniflareOptions {
  /** Source of each Worker, whose default export it is, by name. */
  readonly workers: Readonly<Record<string, string>>;
  /** Where the bundles go. */
  readonly folder: string;
  readonly minify?: boolean;
  /** Worker bindings of every Worker, each by its name: what they stand for is shared. */
  readonly d1?: readonly string[];
  /** Folder of what PillionObject stores, which the first Worker's main module then exports. */
  readonly objects?: string;
  readonly kv?: readonly string[];
  /** Queues by name, each bound for sending to every Worker. */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /** Text for every Worker's `env`. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface QueueOptions {
  /** Binding; default: the name in upper case with `_` for `-`. */
  readonly binding?: string;
  /** The Worker that consumes it. */
  readonly consumer?: string;
  readonly maxBatchSize?: number;
  /** Seconds. */
  readonly maxBatchTimeout?: number;
  readonly maxRetries?: number;
  readonly deadLetterQueue?: string;
}

export interface RunningMiniflare {
  /** Each Worker's own address, with nothing of Miniflare's before it. */
  readonly urls: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Workers in workerd with the services that Miniflare imitates there: D1, KV and Queues. */
export async function startMiniflare(options: MiniflareOptions): Promise<RunningMiniflare> {
  const { workers, folder, minify, d1 = [], kv = [], queues = {}, objects, env = {} } = options;
  const names = Object.keys(workers);
  const bundled = await Promise.all(
    Object.entries(workers).map(async ([name, entry]) => {
      const path = join(folder, `${name}.js`);
      await bundleWorker(entry, path, minify);
      return {
        name,
        compatibilityDate: COMPATIBILITY_DATE,
        modules: [{ type: "ESModule" as const, path, contents: readFileSync(path, "utf8") }],
        ...(objects && {
          durableObjects: { OBJECTS: { className: "PillionObject", useSQLite: true } },
        }),
        d1Databases: Object.fromEntries(d1.map((id) => [id, id])),
        kvNamespaces: Object.fromEntries(kv.map((id) => [id, id])),
        queueProducers: producersOf(queues),
        queueConsumers: consumersOf(queues, name),
        bindings: { ...env },
        unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
      };
    }),
  );
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({ cf: false, workers: bundled }),
    ...(objects && { resourcePersistencePath: objects }),
  });
  const urls = await Promise.all(names.map((name) => miniflare.unsafeGetDirectURL(name)));
  return {
    urls: Object.fromEntries(
      names.map((name, index) => [name, String(urls[index]).replace(/\/$/, "")]),
    ),
    stop: () => miniflare.dispose(),
  };
}

type Queues = Readonly<Record<string, QueueOptions>>;

function producersOf(queues: Queues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(queues).map(([queue, { binding }]) => [
      binding ?? queue.toUpperCase().replaceAll("-", "_"),
      queue,
    ]),
  );
}

function consumersOf(queues: Queues, worker: string): Record<string, object> {
  const own = Object.entries(queues).filter(([, { consumer }]) => consumer === worker);
  return Object.fromEntries(
    own.map(([queue, { binding: _, consumer: __, ...options }]) => [queue, options]),
  );
}
