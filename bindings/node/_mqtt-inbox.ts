import type { IConnackPacket, IPublishPacket, MqttClient, Packet } from "mqtt";
import type { Random } from "../../src/contracts/host.ts";
import {
  type Attempts,
  type AttemptsOptions,
  createAttempts,
  type Held,
  type Session,
} from "./_mqtt-attempts.ts";
import type { Entry } from "./_mqtt-feed.ts";
import { isRecord } from "./_mqtt-record.ts";

export interface InboxOptions {
  readonly random: Random;
  readonly record: Omit<AttemptsOptions, "held">;
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
  readonly attempts: Attempts;
  /** As the broker said when the client connected last. */
  session(): Session;
  /** There will be no connection until the next subscription. */
  end(): Promise<void>;
}

interface Open extends Entry, Held {
  /** The connection that brought it last; only there its number means it. */
  connection: number;
  /** `acknowledged`: the broker may not know yet, and send it again. */
  state: "held" | "handled" | "acknowledged";
}

/** The driver's own way to send a packet, which its types keep to itself. */
interface Sender {
  _sendPacket(packet: Packet): void;
}

export function createInbox(options: InboxOptions): Inbox {
  const { random, record, receive, room } = options;
  const open = new Map<number, Open>();
  const attempts = createAttempts({ ...record, held });
  /** Counts connections. */
  let current = 0;
  let live: MqttClient | undefined;
  let missed = false;
  let session: Session = { resumed: false, retains: true };
  return {
    attempts,
    attach(client) {
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "connack") begin(client, packet);
        if (packet.cmd === "publish") take(packet);
      });
      client.on("close", () => {
        if (live === client) live = undefined;
      });
      // Nothing further is read from the connection while there is no room.
      client.handleMessage = (_packet, done) => void room().then(() => done());
    },
    owed: () => missed,
    session: () => session,
    async end() {
      await attempts.end();
      for (const [number, { state }] of open) if (state === "held") open.delete(number);
    },
  };

  function* held(): Iterable<Held> {
    for (const one of open.values()) if (one.state !== "acknowledged") yield one;
  }

  function begin(client: MqttClient, { sessionPresent, properties }: IConnackPacket): void {
    live = client;
    current++;
    missed = false;
    session = { resumed: sessionPresent, retains: properties?.retainAvailable !== false };
    // Without its session the broker knows none of them, and gives their numbers to others.
    if (!sessionPresent) open.clear();
    attempts.reconnected(sessionPresent);
  }

  function take(packet: IPublishPacket): void {
    if (isRecord(packet)) return;
    const { qos, messageId = 0 } = packet;
    const known = qos > 0 ? open.get(messageId) : undefined;
    const again = known !== undefined && isAgain(known, packet);
    const kept = { ...packet };
    // The driver would acknowledge it when it was read, and read nothing more before that. So it takes it for one that
    // nobody acknowledges, and the acknowledgement is sent when the message was handled.
    packet.qos = 0;
    if (known && again) {
      known.connection = current;
      if (known.state !== "held") settle(known);
      return;
    }
    const entry = entryOf(kept);
    if (qos > 0) {
      open.set(messageId, entry);
      attempts.came(entry);
    }
    if (!receive(entry)) entry.drop();
  }

  function entryOf(packet: IPublishPacket): Open {
    const { topic, payload, retain } = packet;
    const entry: Open = {
      packet,
      connection: current,
      state: "held",
      begun: 0,
      suspect: false,
      recorded: undefined,
      print: undefined,
      message: {
        id: random.uuid(),
        topic,
        data: payload,
        metadata: { retained: String(retain) },
      },
      claim: () => attempts.claim(entry),
      done() {
        entry.state = "handled";
        settle(entry);
      },
      drop() {
        if (!close(entry)) return;
        attempts.leave(entry);
        missed ||= entry.connection === current;
      },
    };
    return entry;
  }

  /** Acknowledges it on the connection that brought it; else when the broker sends it again. */
  function settle(entry: Open): void {
    const { packet, connection } = entry;
    const { qos, messageId = 0 } = packet;
    if (qos === 0 || connection !== current || !live?.connected) return;
    entry.state = "acknowledged";
    const cmd = qos === 1 ? "puback" : "pubrec";
    // Before the record forgets it: else it could come again, and be counted anew.
    (live as unknown as Sender)._sendPacket({ cmd, messageId });
    const settled = attempts.settled(entry);
    if (settled) void settled.then(() => close(entry));
    else close(entry);
  }

  function close(entry: Open): boolean {
    const { messageId = 0 } = entry.packet;
    return open.get(messageId) === entry && open.delete(messageId);
  }
}

/** A number that was acknowledged may be that of another message, also of one of the same bytes. */
function isAgain({ packet, state }: Open, next: IPublishPacket): boolean {
  if (state === "acknowledged" && !next.dup) return false;
  return packet.topic === next.topic && Buffer.compare(bytesOf(packet), bytesOf(next)) === 0;
}

function bytesOf({ payload }: IPublishPacket): Buffer {
  return Buffer.from(payload as Buffer);
}
