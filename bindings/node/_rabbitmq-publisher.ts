import type { ConfirmChannel, ConsumeMessage, Options } from "amqplib";
import type { OutgoingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { inTime, nobody } from "./_deadline.ts";
import { copied } from "./_rabbitmq-copy.ts";
import { explain, isRefusal } from "./_rabbitmq-errors.ts";
import { ANSWER_MS, type RabbitLink, type Waiting } from "./_rabbitmq-link.ts";
import type { RabbitPlan } from "./_rabbitmq-settings.ts";
import { declareExchange, readerOf } from "./_rabbitmq-topology.ts";

/** A channel on which the server confirms, and the exchanges that were declared on its connection. */
interface Door {
  readonly channel: ConfirmChannel;
  /** Messages that came back. */
  returned: number;
  readonly declared: Map<string, Promise<void>>;
}

/** The exchange that is always there, and leads to each queue by its name. */
const DEFAULT = "";
/** Messages that may wait for the server's word at the same time. */
const MOST_PENDING = 10_000;
/** The longest time to live that the server takes. */
const LONGEST_MS = 2 ** 32 - 1;

export interface Publisher extends Pick<PubSub, "publish"> {
  /** Publishes, and resolves to whether a queue has it. MUST have the channel to itself meanwhile. */
  offer(topic: string, message: OutgoingMessage, call: Waiting): Promise<boolean>;
  /** Puts a copy of a message that was delivered so often into the queue that it came from. Never rejects. */
  copy(queue: string, message: ConsumeMessage, count: number, now: number): Promise<Copied>;
}

/** `taken` once the server has it; `unknown` where it may have it all the same. */
export type Copied = "taken" | "refused" | "unknown";

export function createPublisher(
  server: RabbitLink,
  plan: RabbitPlan,
  component: string,
): Publisher {
  let open: Door | undefined;
  let opening: Promise<Door> | undefined;
  let pending = 0;
  return {
    async publish(topic, message, call) {
      const [key, options] = optionsOf(message, plan, component);
      await send(topic, key, Buffer.from(message.data), options, call);
    },
    async offer(topic, message, call) {
      const [key, options] = optionsOf(message, plan, component);
      const mandatory = { ...options, mandatory: true };
      const door = await send(topic, key, Buffer.from(message.data), mandatory, call);
      const taken = door.returned === 0;
      door.returned = 0;
      return taken;
    },
    async copy(queue, message, count, now) {
      const options = copied(message, queue, count, now);
      const door = await entered(DEFAULT, nobody).catch(() => undefined);
      if (!door) return "refused";
      try {
        await put(door, DEFAULT, queue, message.content, options, nobody);
        return "taken";
      } catch (error) {
        return isRefusal(error) ? "refused" : "unknown";
      }
    },
  };

  async function send(
    topic: string,
    key: string,
    data: Buffer,
    options: Options.Publish,
    call: Waiting,
  ): Promise<Door> {
    try {
      const door = await entered(topic, call);
      await put(door, topic, key, data, options, call);
      return door;
    } catch (error) {
      throw error === call.signal?.reason ? error : explain(error, component);
    }
  }

  async function entered(topic: string, call: Waiting): Promise<Door> {
    const late = `component ${component}: RabbitMQ had no channel for the message within ${ANSWER_MS} ms or the time of the call`;
    const door = await inTime(doorFor(topic), call, ANSWER_MS, () => late);
    checkRoom();
    return door;
  }

  function put(
    { channel }: Door,
    topic: string,
    key: string,
    data: Buffer,
    options: Options.Publish,
    call: Waiting,
  ): Promise<void> {
    pending++;
    const sent = confirmed(channel, topic, key, data, options).finally(() => pending--);
    const silent = `component ${component}: RabbitMQ did not confirm the message within ${ANSWER_MS} ms or the time of the call: whether it has it is not known`;
    return inTime(sent, call, ANSWER_MS, () => silent);
  }

  function checkRoom(): void {
    const { blocked } = server;
    const problem =
      blocked !== undefined
        ? `RabbitMQ takes no messages now: ${blocked}`
        : pending >= MOST_PENDING
          ? `${MOST_PENDING} messages wait for RabbitMQ already: this one is not sent`
          : undefined;
    if (problem) throw new ComponentError("unavailable", `component ${component}: ${problem}`);
  }

  async function doorFor(topic: string): Promise<Door> {
    const door = open ?? (await (opening ??= enter().finally(shut)));
    const { declared } = door;
    if (topic === DEFAULT) return door;
    const known = declared.get(topic);
    const ready =
      known ??
      declare(topic).catch((error: unknown) => {
        declared.delete(topic);
        throw error;
      });
    if (!known) declared.set(topic, ready);
    await ready;
    return door;
  }

  function shut(): void {
    opening = undefined;
  }

  async function enter(): Promise<Door> {
    const connection = await server.connected(nobody);
    const channel = await connection.createConfirmChannel();
    const door: Door = { channel, returned: 0, declared: new Map() };
    channel.on("return", () => door.returned++);
    // Such as an exchange that is gone: all are declared anew.
    channel.on("error", () => undefined);
    channel.on("close", () => {
      if (open === door) open = undefined;
    });
    open = door;
    return door;
  }

  /** On a channel of its own: a refusal closes it, and would fail what others wait for. */
  async function declare(topic: string): Promise<void> {
    const connection = await server.connected(nobody);
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    await declareExchange(channel, plan, topic);
    await channel.close();
  }
}

function confirmed(
  channel: ConfirmChannel,
  topic: string,
  key: string,
  data: Buffer,
  options: Options.Publish,
): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.publish(topic, key, data, options, (error) => (error ? reject(error) : resolve()));
  });
}

/** Dapr's properties of a message. It writes no headers. */
function optionsOf(
  { metadata, ttl: own }: OutgoingMessage,
  { ttl, persistent }: RabbitPlan,
  component: string,
): readonly [key: string, options: Options.Publish] {
  const read = readerOf(metadata);
  const expires = own ?? ttl;
  if (expires !== undefined && expires > LONGEST_MS) {
    throw new ComponentError(
      "invalid",
      `component ${component}: ttlInSeconds is more than the ${Math.floor(LONGEST_MS / 1000)} that RabbitMQ takes`,
    );
  }
  const priority = read("priority");
  return [
    read("routingKey") ?? "",
    {
      contentType: read("contentType") ?? "text/plain",
      deliveryMode: persistent ? 2 : 1,
      ...(expires !== undefined && { expiration: String(Math.ceil(expires)) }),
      ...(priority !== undefined && { priority: priorityOf(priority, component) }),
      ...present("messageId", read("messageID")),
      ...present("correlationId", read("correlationID")),
      ...present("type", read("type")),
    },
  ];
}

function present(name: "messageId" | "correlationId" | "type", value: string | undefined) {
  return value === undefined ? {} : { [name]: value };
}

function priorityOf(text: string, component: string): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isInteger(number)) return Math.min(Math.max(number, 0), 255);
  throw new ComponentError(
    "invalid",
    `component ${component}: priority must be a whole number, not ${JSON.stringify(text)}`,
  );
}
