import type { ChannelModel } from "amqplib";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { farewell, inTime } from "./_deadline.ts";
import { driver } from "./_driver.ts";
import { explain } from "./_rabbitmq-errors.ts";
import type { RabbitPlan } from "./_rabbitmq-settings.ts";

/** One connection, made when it is wanted and made anew when it is wanted after it was lost. */
export interface RabbitLink {
  connected(call: Waiting): Promise<ChannelModel>;
  /** What the server said when it stopped reading what is published; undefined while it reads. */
  readonly blocked: string | undefined;
  native(): ChannelModel;
  close(): Promise<void>;
}

export type Waiting = Pick<Call, "signal" | "deadline">;

/** Milliseconds that the server may take to answer. */
export const ANSWER_MS = 5000;
const FAREWELL_MS = 1000;

export function link(plan: RabbitPlan, component: string): RabbitLink {
  const closing = new AbortController();
  let dialing: Promise<ChannelModel> | undefined;
  let live: ChannelModel | undefined;
  let blocked: string | undefined;

  return {
    connected,
    get blocked() {
      return blocked;
    },
    native() {
      if (live) return live;
      throw new ComponentError(
        "unavailable",
        `component ${component} has no connection now: the next call makes it`,
      );
    },
    close,
  };

  async function connected(call: Waiting): Promise<ChannelModel> {
    if (live) return live;
    closing.signal.throwIfAborted();
    dialing ??= dial().finally(() => {
      dialing = undefined;
    });
    const late = `component ${component}: there is no connection to RabbitMQ, and none could be made within ${ANSWER_MS} ms or the time of the call`;
    return inTime(dialing, call, ANSWER_MS, () => late);
  }

  async function dial(): Promise<ChannelModel> {
    const { connect, credentials } = await driver("amqplib", () => import("amqplib"));
    const { clientName, external, tls } = plan;
    try {
      const connection = await connect(plan.address, {
        ...tls,
        timeout: ANSWER_MS,
        noDelay: true,
        ...(clientName && { clientProperties: { connection_name: clientName } }),
        ...(external && { credentials: credentials.external() }),
      });
      // What went wrong is told by "close", and by the calls that it fails.
      connection.on("error", () => undefined);
      connection.on("close", () => {
        if (live === connection) live = undefined;
        blocked = undefined;
      });
      connection.on("blocked", (reason) => {
        blocked = reason;
      });
      connection.on("unblocked", () => {
        blocked = undefined;
      });
      if (closing.signal.aborted) {
        await connection.close();
        throw closing.signal.reason;
      }
      live = connection;
      return connection;
    } catch (error) {
      throw explain(error, component);
    }
  }

  async function close(): Promise<void> {
    closing.abort(new ComponentError("unavailable", `component ${component} is closed`));
    const connection = live;
    live = undefined;
    if (!connection) return;
    await farewell(connection.close(), FAREWELL_MS);
  }
}
