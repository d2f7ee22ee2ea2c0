import type { IClientOptions } from "mqtt";
import type { Random } from "../../src/contracts/host.ts";
import { messageOf } from "../../src/errors.ts";
import { complain, config, decoded } from "./_config.ts";
import { isTopic } from "./_mqtt-topics.ts";

export interface MqttSettings {
  readonly url: string;
  readonly consumerID: string;
  readonly qos: number;
  readonly cleanSession: boolean;
  readonly protocolVersion: number;
  readonly shareGroup: string | undefined;
  readonly attemptsTopic: string;
  readonly processingTimeout: number;
  readonly caCert: string | undefined;
  readonly clientCert: string | undefined;
  readonly clientKey: string | undefined;
}

export interface Plan {
  readonly qos: 0 | 1 | 2;
  /** The client id that the broker keeps the session for. */
  readonly clientId: string;
  /** Whether another process may come by the same session, and what was not acknowledged with it. */
  readonly lasting: boolean;
  readonly options: IClientOptions;
}

/** Dapr's schemes, as the driver calls them. */
const schemes: Readonly<Record<string, "mqtt" | "mqtts" | "ws" | "wss">> = {
  mqtt: "mqtt",
  tcp: "mqtt",
  mqtts: "mqtts",
  tls: "mqtts",
  tcps: "mqtts",
  ssl: "mqtts",
  ws: "ws",
  wss: "wss",
};

const KEEPALIVE_S = 30;
const RECONNECT_MS = 1000;
const CONNECT_MS = 10_000;

/** Throws "config" for settings that cannot work. */
export function planOf(settings: MqttSettings, random: Random, component: string): Plan {
  const { qos, consumerID, cleanSession, protocolVersion, caCert, clientCert, clientKey } =
    settings;
  const url = urlOf(settings.url, component);
  const protocol = schemes[url.protocol.slice(0, -1)];
  if (!protocol) {
    const known = Object.keys(schemes).join(", ");
    throw config(component, `url must begin with one of ${known}, not ${url.protocol}//`);
  }
  const secure = protocol === "mqtts" || protocol === "wss";
  complain(component, [
    [![0, 1, 2].includes(qos), `qos must be 0, 1 or 2, not ${qos}`],
    [
      ![4, 5].includes(protocolVersion),
      `protocolVersion must be 4, for MQTT 3.1.1, or 5, not ${protocolVersion}`,
    ],
    [!secure && Boolean(caCert || clientCert), "caCert and clientCert need a url of mqtts or wss"],
    [!clientCert !== !clientKey, "clientCert and clientKey belong together: set both or neither"],
    [settings.processingTimeout <= 0, "processingTimeout must be above 0"],
    [/[/+#]/.test(settings.shareGroup ?? ""), "shareGroup must have none of / + # in it"],
    [!isTopic(settings.attemptsTopic), "attemptsTopic must be a topic without wildcards"],
  ]);
  return {
    qos: qos as Plan["qos"],
    clientId: consumerID.replaceAll("{uuid}", () => random.uuid()),
    lasting: qos > 0 && !cleanSession && !consumerID.includes("{uuid}"),
    options: {
      protocol,
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port) || { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 }[protocol],
      ...(protocol.startsWith("ws") && { path: url.pathname + url.search }),
      ...(url.username && { username: decoded(url.username, "url", component) }),
      ...(url.password && { password: decoded(url.password, "url", component) }),
      ...(caCert && { ca: caCert }),
      ...(clientCert && clientKey && { cert: clientCert, key: clientKey }),
      protocolVersion: protocolVersion as 4 | 5,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: RECONNECT_MS,
      reconnectOnConnackError: true,
      connectTimeout: CONNECT_MS,
      queueQoSZero: false,
    },
  };
}

/** Its text may hold a password, and is not shown. */
function urlOf(text: string, component: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw config(component, `url is none (${messageOf(cause)}): write mqtt://host:1883`);
  }
}
