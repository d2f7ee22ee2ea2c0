import type { IClientOptions, MqttClient } from "mqtt";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { inTime, nobody } from "./_deadline.ts";
import { driver } from "./_driver.ts";

/** One connection of the driver's, made when it is wanted and made anew by the driver once it was there. */
export interface Connection {
  /** Waits for the client to be connected. */
  ready(call: Pick<Call, "signal" | "deadline">): Promise<MqttClient>;
  /** The client, if one was made. */
  readonly client: MqttClient | undefined;
  /** Ends it; the next `ready` makes another. */
  end(): Promise<void>;
}

export interface ConnectionOptions {
  readonly component: string;
  readonly options: IClientOptions;
  /** Before it connects. */
  made?(client: MqttClient): void;
}

/** Milliseconds that a call waits for a connection. */
const WAIT_MS = 10_000;
const END_MS = 2000;

export function createConnection({ component, options, made }: ConnectionOptions): Connection {
  let client: MqttClient | undefined;
  let making: Promise<MqttClient> | undefined;
  let waiting: Promise<MqttClient> | undefined;
  let opened = false;
  return {
    async ready(call) {
      const late = () => `component ${component}: no connection to the broker within ${WAIT_MS} ms`;
      try {
        return await inTime(connected(), call, WAIT_MS, late);
      } catch (error) {
        if (!opened) await end();
        throw call.signal?.aborted ? error : explain(error, component);
      }
    },
    get client() {
      return client;
    },
    end,
  };

  async function connected(): Promise<MqttClient> {
    making ??= make();
    const found = await making;
    if (found.connected) return found;
    // One for all who wait: an outage may be long, and have many.
    waiting ??= connecting(found).finally(() => {
      waiting = undefined;
    });
    return waiting;
  }

  function connecting(found: MqttClient): Promise<MqttClient> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => settle(() => reject(error));
      const ended = () => failed(new Error("the connection was ended"));
      const there = () => settle(() => resolve(found));
      found.once("connect", there);
      found.once("end", ended);
      // Later ones are the driver's to mend.
      if (!opened) found.once("error", failed);

      function settle(tell: () => void): void {
        found.off("connect", there).off("end", ended).off("error", failed);
        tell();
      }
    });
  }

  async function make(): Promise<MqttClient> {
    const { connect } = await driver("mqtt", async () => (await import("mqtt")).default);
    const found = connect(options);
    client = found;
    found.on("error", () => undefined);
    found.on("connect", () => {
      opened = true;
    });
    made?.(found);
    return found;
  }

  async function end(): Promise<void> {
    const last = await making?.catch(() => undefined);
    making = undefined;
    client = undefined;
    opened = false;
    if (!last) return;
    const gone = last.endAsync(!last.connected);
    await inTime(gone, nobody, END_MS, () => "").catch(() => {
      last.end(true);
    });
  }
}

/** What a refused connection says, in the words of MQTT 3.1.1 and of 5. */
const refusals: Readonly<Record<number, string>> = {
  1: "the broker does not speak this version: set protocolVersion to the other one, 4 or 5",
  2: "the broker does not take the client id: correct consumerID",
  4: "the broker does not accept the user: correct the user and password in url",
  5: "the broker does not let the user in: correct the user and password in url",
  132: "the broker does not speak this version: set protocolVersion to 4",
  133: "the broker does not take the client id: correct consumerID",
  134: "the broker does not accept the user: correct the user and password in url",
  135: "the broker does not let the user do this: correct the user and password in url, or the broker's rules",
};

export function explain(error: unknown, component: string): unknown {
  if (!(error instanceof Error) || ComponentError.is(error)) return error;
  const { code, message } = error as { readonly code?: unknown; readonly message: string };
  const refusal = refusals[code as number];
  if (refusal) return fault("config", refusal);
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(String(code))) {
    return fault("config", `the broker's certificate is not trusted (${code}): set caCert`);
  }
  if (/^(ERR_(SSL|OSSL)|EPROTO)/.test(String(code))) {
    return fault("config", "the broker does not speak TLS at this address: correct url");
  }
  return fault("unavailable", `MQTT: ${message || code}`);

  function fault(kind: "config" | "unavailable", problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}
