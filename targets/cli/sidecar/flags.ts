/** What may stand after a flag: several texts by commas or by repetition, bytes of a size, milliseconds of a duration. */
export type Kind = keyof Kinds;

interface Kinds {
  text: string;
  texts: readonly string[];
  boolean: boolean;
  integer: number;
  /** Undefined where it is empty, which daprd takes for none. */
  port: number | undefined;
  size: number;
  duration: number;
}

export interface Flag {
  readonly kind: Kind;
  readonly default?: string | number | boolean | readonly string[];
  /** What it does, for the help. */
  readonly what: string;
  /** The flag to use in its place. */
  readonly instead?: string;
}

/** Every flag of daprd, with its default. Those of parts that are not built yet are taken, and `notes.ts` says so. */
export const flags = {
  "app-id": { kind: "text", default: "", what: "id of the app, part of every stored key" },
  "app-port": { kind: "port", what: "port of the app, which gets events there; waited for" },
  "app-protocol": { kind: "text", default: "http", what: "http, https, h2c, grpc or grpcs" },
  "app-channel-address": { kind: "text", default: "127.0.0.1", what: "address of the app" },
  "app-max-concurrency": { kind: "integer", default: -1, what: "calls of the app at a time" },
  "app-ssl": { kind: "boolean", default: false, what: "", instead: "app-protocol" },
  "app-health-port": { kind: "port", what: "" },
  "enable-app-health-check": { kind: "boolean", default: false, what: "probe the app's health" },
  "app-health-check-path": { kind: "text", default: "/healthz", what: "path of the probe" },
  "app-health-probe-interval": { kind: "integer", default: 5, what: "seconds" },
  "app-health-probe-timeout": { kind: "integer", default: 500, what: "milliseconds" },
  "app-health-threshold": { kind: "integer", default: 3, what: "failures before it is unhealthy" },
  "app-binding-options-timeout": { kind: "duration", default: 0, what: "" },
  "disable-init-endpoints": { kind: "texts", default: [], what: "calls of the app to leave out" },

  "dapr-http-port": {
    kind: "port",
    default: 3500,
    what: "port of the HTTP API; 0 takes a free one",
  },
  "dapr-listen-addresses": {
    kind: "texts",
    default: ["[::1]", "127.0.0.1"],
    what: "addresses of the HTTP API",
  },
  "dapr-public-port": { kind: "port", what: "port of metadata and health alone, without token" },
  "dapr-public-listen-address": { kind: "text", default: "", what: "default: every address" },
  "unix-domain-socket": {
    kind: "text",
    default: "",
    what: "folder of a socket in place of the port",
  },
  "allowed-origins": { kind: "text", default: "", what: "origins of browsers, by commas" },
  "max-body-size": { kind: "size", default: 4 << 20, what: "of a request, such as 4Mi; 0 for any" },
  "read-buffer-size": { kind: "size", default: 4 << 10, what: "of a request's head, such as 4Ki" },
  "dapr-http-max-request-size": {
    kind: "integer",
    default: 4,
    what: "MB",
    instead: "max-body-size",
  },
  "dapr-http-read-buffer-size": {
    kind: "integer",
    default: 4,
    what: "KB",
    instead: "read-buffer-size",
  },

  "resources-path": { kind: "texts", default: [], what: "folder of components; may be repeated" },
  "components-path": { kind: "text", default: "", what: "", instead: "resources-path" },
  config: { kind: "texts", default: [], what: "Configuration in YAML; may be repeated" },
  mode: { kind: "text", default: "standalone", what: "only standalone" },

  "log-level": { kind: "text", default: "info", what: "debug, info, warn, error or fatal" },
  "log-as-json": { kind: "boolean", default: false, what: "log lines as JSON" },
  "log-file": { kind: "text", default: "", what: "file that the log is added to" },
  "enable-api-logging": { kind: "boolean", default: false, what: "a log line for each request" },
  "enable-metrics": { kind: "boolean", default: true, what: "serve Prometheus' metrics" },
  "metrics-port": { kind: "port", default: 9090, what: "port of /metrics; 0 takes a free one" },
  "metrics-listen-address": { kind: "text", default: "0.0.0.0", what: "address of /metrics" },
  "enable-profiling": { kind: "boolean", default: false, what: "serve profiles of V8" },
  "profile-port": { kind: "port", default: 7777, what: "port of /debug/pprof/" },

  "dapr-graceful-shutdown-seconds": { kind: "integer", default: 5, what: "for the end of calls" },
  "dapr-block-shutdown-duration": { kind: "duration", default: 0, what: "wait before the end" },

  "dapr-grpc-port": { kind: "port", default: 50001, what: "" },
  "dapr-internal-grpc-port": { kind: "port", what: "" },
  "dapr-internal-grpc-listen-address": { kind: "text", default: "", what: "" },
  "placement-host-address": { kind: "text", default: "", what: "" },
  "scheduler-host-address": { kind: "texts", default: [], what: "" },
  "scheduler-job-streams": { kind: "integer", default: 3, what: "" },
  "actors-service": { kind: "text", default: "", what: "" },
  "reminders-service": { kind: "text", default: "", what: "" },
  "actors-disseminate-timeout": { kind: "duration", default: 0, what: "" },
  "hot-reload-reconcile-interval": { kind: "duration", default: 0, what: "" },
  "enable-mtls": { kind: "boolean", default: false, what: "" },
  "sentry-address": { kind: "text", default: "", what: "" },
  "sentry-request-jwt-audiences": { kind: "texts", default: [], what: "" },
  "control-plane-address": { kind: "text", default: "", what: "" },
  "control-plane-trust-domain": { kind: "text", default: "localhost", what: "" },
  "control-plane-namespace": { kind: "text", default: "default", what: "" },
  "disable-builtin-k8s-secret-store": { kind: "boolean", default: false, what: "" },

  wait: { kind: "boolean", default: false, what: "wait until another sidecar is ready, and end" },
  version: { kind: "boolean", default: false, what: "print the version and end" },
  "build-info": { kind: "boolean", default: false, what: "print version, Node and V8, and end" },
  help: { kind: "boolean", default: false, what: "show this" },
} as const satisfies Readonly<Record<string, Flag>>;

export type FlagName = keyof typeof flags;

export type Values = { readonly [F in FlagName]: Kinds[(typeof flags)[F]["kind"]] };

export interface Parsed {
  readonly values: Values;
  /** The flags that the command line has, whatever their values. */
  readonly given: ReadonlySet<FlagName>;
}
