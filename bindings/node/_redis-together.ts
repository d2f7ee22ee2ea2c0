import type { Redis } from "ioredis";
import type { Client } from "./_redis-supply.ts";

/**
 * Most commands in one write. A write takes longer than all else that Node does for a command; with too many in one, the
 * server has nothing to do while they are gathered, and this process nothing while it does them.
 */
const MOST = 8;

/** Sends commands of calls that run at the same time in one write: no later than at the end of the turn of the event loop. */
export type Together = <T>(client: Client, send: (client: Client) => Promise<T>) => Promise<T>;

interface Held {
  readonly stream: Redis["stream"];
  left: number;
}

export function createTogether(): Together {
  let held: Held | undefined;

  return (client, send) => {
    // A cluster has a connection for each of its nodes, and a client that is not connected has none.
    const { stream } = client as Partial<Pick<Redis, "stream">>;
    if (!stream) return send(client);
    const own = held?.stream === stream ? held : hold(stream);
    const sent = send(client);
    if (--own.left === 0) release(own);
    return sent;
  };

  function hold(stream: Redis["stream"]): Held {
    if (held) release(held);
    stream.cork();
    const own = { stream, left: MOST };
    held = own;
    setImmediate(release, own);
    return own;
  }

  function release(own: Held): void {
    if (held !== own) return;
    held = undefined;
    own.stream.uncork();
  }
}
