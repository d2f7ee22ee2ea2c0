import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import type { Outgoing } from "./_kafka-message.ts";

/** One record of a bulk, and its place there. */
export interface Placed {
  readonly index: number;
  readonly record: Outgoing;
}

/** Bytes of a record beside its value, key and headers, at most about. */
const OVERHEAD = 100;

/** Throws "invalid" for a record that no broker is asked to take. */
export function checkSize(record: Outgoing, most: number, component: string): Outgoing {
  if (sizeOf(record) <= most) return record;
  throw new ComponentError(
    "invalid",
    `component ${component}: the message has more bytes than maxMessageBytes, ${most}`,
  );
}

/** The messages in parts of at most `most` bytes. What is wrong with one is its outcome already, and it is in none. */
export function partsOf(
  messages: readonly OutgoingMessage[],
  recordOf: (message: OutgoingMessage) => Outgoing,
  most: number,
  outcomes: (ComponentError | undefined)[],
): Placed[][] {
  const parts: Placed[][] = [];
  let room = 0;
  for (const [index, message] of messages.entries()) {
    try {
      const record = recordOf(message);
      const size = sizeOf(record);
      if (size > room) {
        parts.push([]);
        room = most;
      }
      room -= size;
      parts.at(-1)?.push({ index, record });
    } catch (error) {
      outcomes[index] = error as ComponentError;
    }
  }
  return parts;
}

function sizeOf({ key, value, headers }: Outgoing): number {
  const text = Object.entries(headers).flat().join("");
  return value.length + Buffer.byteLength(key ?? "") + Buffer.byteLength(text) + OVERHEAD;
}
