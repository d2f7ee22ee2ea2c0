import type { Kafka, Producer } from "kafkajs";
import type { Call, Random } from "../../src/contracts/host.ts";
import { inTime } from "./_deadline.ts";
import { createClient, type Driver, loadDriver } from "./_kafka-driver.ts";
import { explain, unavailable } from "./_kafka-errors.ts";
import { type Outgoing, partitionFor } from "./_kafka-message.ts";
import type { Plan } from "./_kafka-settings.ts";

export interface Sender {
  /** Resolves once the broker has all of them; rejects where it may have a part. */
  send(topic: string, messages: Outgoing[], call: Call): Promise<void>;
  connect(call: Call): Promise<void>;
  native(): unknown;
  close(): Promise<void>;
}

export interface SenderOptions {
  readonly plan: Plan;
  readonly random: Random;
  readonly component: string;
  /** Milliseconds that a call waits for the broker. */
  readonly limit: number;
  readonly retries: number;
  readonly metadataMaxAge: number;
}

/** How often kafkajs tries by itself for a call that somebody waits for. */
const ONCE = { retries: 1, initialRetryTime: 100 };
/** Calls that may wait for the broker at a time. */
const MOST_WAITING = 10_000;
const RETRY = { initialRetryTime: 100, multiplier: 2, factor: 0.2, maxRetryTime: 1000 };

export function createSender(options: SenderOptions): Sender {
  const { plan, component, limit, random } = options;
  let open:
    | { readonly producer: Producer; readonly kafka: Kafka; readonly driver: Driver }
    | undefined;
  let connecting: Promise<NonNullable<typeof open>> | undefined;
  let closed = false;
  let waiting = 0;
  const late = () => `component ${component}: Kafka did not answer within ${limit} ms`;
  return {
    async send(topic, messages, call) {
      if (waiting >= MOST_WAITING) throw unavailable(component, `${waiting} calls wait for Kafka`);
      waiting++;
      const work = write(topic, messages).finally(() => waiting--);
      await inTime(explained(work), call, limit, late);
    },
    connect: async (call) => void (await inTime(explained(connected()), call, limit, late)),
    native() {
      if (open) return open.kafka;
      throw unavailable(component, "there is no connection yet: the first call makes it");
    },
    async close() {
      closed = true;
      const made = await connecting?.catch(() => undefined);
      await made?.producer.disconnect().catch(() => undefined);
    },
  };

  async function write(topic: string, messages: Outgoing[]): Promise<void> {
    const { producer, driver } = await connected();
    const compression = driver.CompressionTypes[plan.compression];
    await producer.send({ topic, messages, acks: plan.acks, compression });
  }

  async function connected(): Promise<NonNullable<typeof open>> {
    if (closed) throw unavailable(component, "it is closed");
    connecting ??= dial().catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  }

  async function dial(): Promise<NonNullable<typeof open>> {
    const driver = await loadDriver();
    const kafka = createClient(driver, plan.client, ONCE);
    const { retries, metadataMaxAge } = options;
    const producer = kafka.producer({
      metadataMaxAge,
      retry: { ...RETRY, retries },
      createPartitioner:
        () =>
        ({ message, partitionMetadata }) =>
          message.partition ?? partitionFor(message.key, partitionMetadata.length, random),
    });
    try {
      await producer.connect();
    } catch (error) {
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
    open = { producer, kafka, driver };
    return open;
  }

  async function explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw explain(error, component);
    }
  }
}
