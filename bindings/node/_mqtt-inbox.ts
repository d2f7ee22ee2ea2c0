import type { IPublishPacket, MqttClient, Packet } from "mqtt";
import type { Random } from "../../src/contracts/host.ts";
import type { Entry } from "./_mqtt-feed.ts";

export interface InboxOptions {
  readonly random: Random;
  /** Hands a message on; false where nobody is there for it. */
  receive(entry: Entry): boolean;
  /** Resolves when there is room for more. */
  room(): Promise<void>;
}

/** What the broker has sent and not had acknowledged, over all connections of one session. */
export interface Inbox {
  /** Receives what this client gets. Call it before the client connects. */
  attach(client: MqttClient): void;
  /** Whether the broker has sent something that nobody took: it comes again on a new connection. */
  owed(): boolean;
}

interface Open extends Entry {
  readonly packet: IPublishPacket;
  /** The connection that brought it last; only there its number means it. */
  connection: number;
  handled: boolean;
}

/** The driver's own way to send a packet, which its types keep to itself. */
interface Sender {
  _sendPacket(packet: Packet): void;
}

export function createInbox({ random, receive, room }: InboxOptions): Inbox {
  const open = new Map<number, Open>();
  /** Counts connections. */
  let current = 0;
  let live: MqttClient | undefined;
  let missed = false;
  return {
    attach(client) {
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "connack") begin(client, packet.sessionPresent);
        if (packet.cmd === "publish") take(packet);
      });
      client.on("close", () => {
        if (live === client) live = undefined;
      });
      // Nothing further is read from the connection while there is no room.
      client.handleMessage = (_packet, done) => void room().then(() => done());
    },
    owed: () => missed,
  };

  function begin(client: MqttClient, sessionPresent: boolean): void {
    live = client;
    current++;
    missed = false;
    // Without its session the broker knows none of them, and gives their numbers to others.
    if (!sessionPresent) open.clear();
  }

  function take(packet: IPublishPacket): void {
    const { qos, messageId = 0 } = packet;
    const known = qos > 0 ? open.get(messageId) : undefined;
    const again = known !== undefined && isSame(known.packet, packet);
    const kept = { ...packet };
    // The driver would acknowledge it when it was read, and read nothing more before that. So it takes it for one that
    // nobody acknowledges, and the acknowledgement is sent when the message was handled.
    packet.qos = 0;
    if (known && again) {
      known.connection = current;
      if (known.handled) settle(known);
      return;
    }
    const entry = entryOf(kept);
    if (!receive(entry)) {
      missed ||= qos > 0;
      return;
    }
    if (qos > 0) open.set(messageId, entry);
  }

  function entryOf(packet: IPublishPacket): Open {
    const { topic, payload, retain } = packet;
    const entry: Open = {
      packet,
      connection: current,
      handled: false,
      attempt: 1,
      message: {
        id: random.uuid(),
        topic,
        data: payload,
        metadata: { retained: String(retain) },
      },
      done() {
        entry.handled = true;
        settle(entry);
      },
      drop() {
        const { qos, messageId = 0 } = packet;
        if (open.get(messageId) === entry) open.delete(messageId);
        missed ||= qos > 0 && entry.connection === current;
      },
    };
    return entry;
  }

  /** Acknowledges it on the connection that brought it; else when the broker sends it again. */
  function settle({ packet, connection }: Open): void {
    const { qos, messageId = 0 } = packet;
    if (qos === 0 || connection !== current || !live?.connected) return;
    open.delete(messageId);
    const cmd = qos === 1 ? "puback" : "pubrec";
    (live as unknown as Sender)._sendPacket({ cmd, messageId });
  }
}

function isSame(one: IPublishPacket, other: IPublishPacket): boolean {
  return one.topic === other.topic && Buffer.compare(bytesOf(one), bytesOf(other)) === 0;
}

function bytesOf({ payload }: IPublishPacket): Buffer {
  return Buffer.from(payload as Buffer);
}
