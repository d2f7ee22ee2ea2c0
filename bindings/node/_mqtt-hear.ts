import type { IPublishPacket, MqttClient } from "mqtt";
import { inTime, nobody } from "./_deadline.ts";

/** What comes to a topic from now on. */
export interface Heard {
  /** Undefined where none comes in time, or the connection is lost before. */
  find(wanted: (packet: IPublishPacket) => boolean): Promise<IPublishPacket | undefined>;
  readonly lost: boolean;
  end(): void;
}

/** Milliseconds that the broker has to send a message back. */
const WAIT_MS = 3000;

export function hear(client: MqttClient, topic: string): Heard {
  const heard: IPublishPacket[] = [];
  let look = () => {};
  let lost = false;
  client.on("message", take).once("close", close);
  return {
    find(wanted) {
      const found = new Promise<IPublishPacket | undefined>((resolve) => {
        look = () => {
          const packet = heard.find(wanted);
          if (packet || lost) resolve(packet);
        };
      });
      look();
      return inTime(found, nobody, WAIT_MS, () => "").catch(() => undefined);
    },
    get lost() {
      return lost;
    },
    end: () => void client.off("message", take).off("close", close),
  };

  function take(name: string, _payload: unknown, packet: IPublishPacket): void {
    if (name !== topic) return;
    heard.push(packet);
    look();
  }

  function close(): void {
    lost = true;
    look();
  }
}
