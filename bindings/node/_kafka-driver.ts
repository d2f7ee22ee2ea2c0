import type { Kafka, KafkaConfig, RetryOptions } from "kafkajs";
import { driver as installed } from "./_driver.ts";

export type Driver = typeof import("kafkajs");

/** A request queue of kafkajs, as far as it is mended here. */
interface Queue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

let loading: Promise<Driver> | undefined;

/** kafkajs, loaded once it is wanted. */
export function loadDriver(): Promise<Driver> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<Driver> {
  const { default: driver } = await installed("kafkajs", () => import("kafkajs"));
  const [{ default: queue }, zlib] = await Promise.all([
    // @ts-expect-error It has no types.
    import("kafkajs/src/network/requestQueue/index.js") as Promise<{
      default: { prototype: Queue };
    }>,
    import("node:zlib"),
  ]);
  mend(queue.prototype);
  const { CompressionCodecs, CompressionTypes } = driver;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { readonly buffer: Buffer }) => zlib.zstdCompressSync(buffer),
    decompress: async (buffer: Buffer) => zlib.zstdDecompressSync(buffer),
  });
  return driver;
}

/** With nothing to send, kafkajs asks for a timer at a negative time, over and over: a millisecond each, and Node warns of it. */
function mend(queue: Queue): void {
  const { scheduleCheckPendingRequests: schedule } = queue;
  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

/** A client that writes nothing to the console. */
export function createClient(
  { Kafka: Client, logLevel }: Driver,
  config: KafkaConfig,
  retry: RetryOptions,
): Kafka {
  return new Client({ ...config, retry, logLevel: logLevel.NOTHING });
}
