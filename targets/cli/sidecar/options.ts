import { UsageError } from "../usage.ts";
import { type FlagName, flags, type Parsed } from "./flags.ts";
import { type LogLevel, levels } from "./log.ts";

/** What a sidecar is started with. Sizes are bytes, times milliseconds. */
export interface Options {
  readonly id: string;
  readonly resources: readonly string[];
  readonly config: readonly string[];
  readonly app: AppOptions | undefined;
  readonly allowedOrigins: string;
  /** Infinity for no limit. */
  readonly maxBodySize: number;
  readonly headSize: number;
  readonly api: Endpoint;
  /** Folder of the socket that replaces the API's port. */
  readonly socketFolder: string | undefined;
  readonly publicApi: Endpoint | undefined;
  readonly metrics: Endpoint | undefined;
  readonly profiles: Endpoint | undefined;
  readonly log: { readonly level: LogLevel; readonly json: boolean; readonly file: string };
  /** Undefined where only the Configuration says. */
  readonly apiLogging: boolean | undefined;
  readonly shutdownMs: number;
  readonly blockMs: number;
}

export interface AppOptions {
  readonly port: number;
  readonly address: string;
  readonly protocol: string;
  readonly maxConcurrency: number | undefined;
  readonly health: Health | undefined;
  /** Which of `config` and `subscribe` the app is not asked. */
  readonly skipped: readonly string[];
}

export interface Health {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly threshold: number;
}

/** Where something listens, and the flag to change when it cannot. */
export interface Endpoint {
  readonly flag: FlagName;
  readonly port: number;
  /** An empty one is every address. */
  readonly addresses: readonly string[];
  /** The addresses are the default, of which a machine may lack some. */
  readonly lenient?: boolean;
}

/** Throws `UsageError` for flags that contradict each other and for what no sidecar can do. */
export function toOptions({ values, given }: Parsed): Options {
  if (values.mode !== "standalone") throw modeError(values.mode);
  const addresses = values["dapr-listen-addresses"].map((address) => address.replace(/[[\]]/g, ""));
  const lenient = !given.has("dapr-listen-addresses");
  const at = (flag: FlagName, port: number | undefined, on: readonly string[]): Endpoint => ({
    ...{ flag, port: port ?? 0, addresses: on },
    ...(lenient && on === addresses && { lenient }),
  });
  const publicPort = values["dapr-public-port"];
  return {
    id: idOf(values["app-id"]),
    resources:
      values["resources-path"].length > 0
        ? values["resources-path"]
        : [values["components-path"]].filter(Boolean),
    config: values.config,
    app: appOf(values),
    allowedOrigins: values["allowed-origins"],
    maxBodySize: bodySize({ values, given }),
    headSize: headSize({ values, given }),
    api: at("dapr-http-port", portOf(values, "dapr-http-port"), addresses),
    socketFolder: values["unix-domain-socket"] || undefined,
    publicApi:
      publicPort === undefined
        ? undefined
        : at("dapr-public-port", publicPort, [values["dapr-public-listen-address"]]),
    metrics: values["enable-metrics"]
      ? at("metrics-port", portOf(values, "metrics-port"), [values["metrics-listen-address"]])
      : undefined,
    profiles: values["enable-profiling"]
      ? at("profile-port", portOf(values, "profile-port"), addresses)
      : undefined,
    log: {
      level: levelOf(values["log-level"]),
      json: values["log-as-json"],
      file: values["log-file"],
    },
    apiLogging: given.has("enable-api-logging") ? values["enable-api-logging"] : undefined,
    shutdownMs: seconds(values["dapr-graceful-shutdown-seconds"], "dapr-graceful-shutdown-seconds"),
    blockMs: values["dapr-block-shutdown-duration"],
  };
}

type Values = Parsed["values"];

function modeError(mode: string): UsageError {
  return new UsageError(
    mode === "kubernetes"
      ? "--mode kubernetes is not built: mount the components into the container and use --mode standalone with --resources-path"
      : `--mode must be standalone, not ${JSON.stringify(mode)}`,
  );
}

function idOf(id: string): string {
  if (id === "") throw new UsageError("--app-id is missing: --app-id orders");
  if (id.includes(".") || id.includes("||")) {
    throw new UsageError(`--app-id cannot hold a dot or "||": ${JSON.stringify(id)}`);
  }
  return id;
}

function portOf(values: Values, flag: "dapr-http-port" | "metrics-port" | "profile-port"): number {
  const port = values[flag];
  if (port === undefined) throw new UsageError(`--${flag} is empty: it must be a port`);
  return port;
}

function levelOf(text: string): LogLevel {
  const level = text.toLowerCase() === "warn" ? "warning" : text.toLowerCase();
  if (Object.hasOwn(levels, level)) return level as LogLevel;
  throw new UsageError(
    `--log-level must be debug, info, warn, error or fatal, not ${JSON.stringify(text)}`,
  );
}

const protocols = ["http", "https", "h2c", "grpc", "grpcs"];

function appOf(values: Values): AppOptions | undefined {
  const protocol = values["app-protocol"].toLowerCase() || "http";
  if (!protocols.includes(protocol)) {
    throw new UsageError(`--app-protocol must be one of ${protocols.join(", ")}, not ${protocol}`);
  }
  const port = values["app-port"];
  if (!port) return undefined;
  if (port === values["dapr-http-port"] && !values["unix-domain-socket"]) {
    throw new UsageError(`--app-port and --dapr-http-port are both ${port}: they must differ`);
  }
  const concurrency = values["app-max-concurrency"];
  return {
    port,
    address: values["app-channel-address"] || flags["app-channel-address"].default,
    protocol: values["app-ssl"]
      ? ({ http: "https", grpc: "grpcs" }[protocol] ?? protocol)
      : protocol,
    maxConcurrency: concurrency > 0 ? concurrency : undefined,
    health: values["enable-app-health-check"] ? healthOf(values) : undefined,
    skipped: values["disable-init-endpoints"],
  };
}

/** 0 stands for the default, as in daprd. */
function healthOf(values: Values): Health {
  const number = (flag: `app-health-${"probe-interval" | "probe-timeout" | "threshold"}`) => {
    if (values[flag] < 0) throw new UsageError(`--${flag} cannot be negative`);
    return values[flag] || flags[flag].default;
  };
  const [intervalMs, timeoutMs] = [
    number("app-health-probe-interval") * 1000,
    number("app-health-probe-timeout"),
  ];
  if (timeoutMs > intervalMs) {
    throw new UsageError("--app-health-probe-timeout must not be longer than the interval");
  }
  const path = values["app-health-check-path"] || flags["app-health-check-path"].default;
  return { path, intervalMs, timeoutMs, threshold: number("app-health-threshold") };
}

function bodySize({ values, given }: Parsed): number {
  const old = given.has("dapr-http-max-request-size") && !given.has("max-body-size");
  const bytes = old ? values["dapr-http-max-request-size"] * 2 ** 20 : values["max-body-size"];
  if (bytes < 0) return flags["max-body-size"].default;
  return bytes === 0 ? Number.POSITIVE_INFINITY : bytes;
}

function headSize({ values, given }: Parsed): number {
  const old = given.has("dapr-http-read-buffer-size") && !given.has("read-buffer-size");
  const bytes = old ? values["dapr-http-read-buffer-size"] * 2 ** 10 : values["read-buffer-size"];
  return bytes > 0 ? bytes : flags["read-buffer-size"].default;
}

function seconds(value: number, flag: FlagName): number {
  return (value < 0 ? (flags[flag] as { default: number }).default : value) * 1000;
}
