import type { IPublishPacket } from "mqtt";

/** Deliveries that have begun, and the message's print. */
export type Line = readonly [begun: number, print: string];

export interface Kept {
  /** Deliveries of messages that are not listed. */
  readonly others: 0 | 1;
  readonly begun: Readonly<Record<string, Line>>;
}

/** Begins each record, whoever wrote it, and tells it from messages. */
const MARK = "pillion:attempts:";
const MOST_NUMBER = 0xffff;
const MOST_BEGUN = 0x7fff_ffff;

/** Whether it holds deliveries, of this client or of another, and is no message. */
export function isRecord({ payload }: IPublishPacket): boolean {
  return (payload as Buffer).toString("latin1", 0, MARK.length) === MARK;
}

export function textOf(kept: Kept): string {
  return MARK + JSON.stringify(kept);
}

/** Undefined where it is no record: whoever may write there may have written anything. */
export function parsed(packet: IPublishPacket): Kept | undefined {
  if (!isRecord(packet)) return undefined;
  try {
    const kept: unknown = JSON.parse(String(packet.payload).slice(MARK.length));
    return isKept(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

function isKept(value: unknown): value is Kept {
  const { others, begun } = (value ?? {}) as Partial<Kept>;
  return (
    (others === 0 || others === 1) &&
    typeof begun === "object" &&
    begun !== null &&
    Object.entries(begun).every(
      ([number, line]) => isWhole(Number(number), MOST_NUMBER) && isLine(line),
    )
  );
}

function isLine(line: unknown): line is Line {
  const [begun, print] = Array.isArray(line) ? line : [];
  return isWhole(begun, MOST_BEGUN) && typeof print === "string";
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}
