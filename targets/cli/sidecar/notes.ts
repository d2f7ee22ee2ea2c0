import { type Flag, type FlagName, flags, type Parsed } from "./flags.ts";
import type { LogLevel } from "./log.ts";

export interface Note {
  readonly level: LogLevel;
  readonly text: string;
}

interface Part {
  readonly flags: readonly FlagName[];
  readonly level: LogLevel;
  readonly text: string;
}

/** Parts of daprd that are not built yet: what asks for each, and what whoever asks should know. */
const parts: readonly Part[] = [
  {
    flags: ["dapr-grpc-port", "dapr-internal-grpc-port", "dapr-internal-grpc-listen-address"],
    level: "warning",
    text: "the gRPC API is not built yet: nothing listens there, use the HTTP API",
  },
  {
    flags: ["app-health-port", "app-binding-options-timeout"],
    level: "warning",
    text: "the app is probed on its own port, and gets no events of input bindings yet",
  },
  {
    flags: ["enable-mtls", "sentry-address", "sentry-request-jwt-audiences"],
    level: "warning",
    text: "mutual TLS between sidecars is not built yet",
  },
  {
    // `dapr run` gives these to every sidecar.
    flags: [
      "placement-host-address",
      "scheduler-host-address",
      "actors-service",
      "reminders-service",
    ],
    level: "info",
    text: "actors, workflows and jobs are not built yet: nothing connects there",
  },
  {
    flags: ["hot-reload-reconcile-interval"],
    level: "warning",
    text: "resources are not reloaded while the sidecar runs: restart it after a change",
  },
];

/** What to tell whoever gave flags that have no effect yet, or have better ones. */
export function notesOn({ values, given }: Parsed): Note[] {
  const asked = (name: FlagName) =>
    given.has(name) && values[name] !== false && String(values[name] ?? "") !== "";
  const missing = parts.flatMap(({ flags, level, text }) => {
    const named = flags.filter(asked).map((name) => `--${name}`);
    return named.length === 0 ? [] : [{ level, text: `${named.join(", ")}: ${text}` }];
  });
  const old = Object.entries(flags as Readonly<Record<string, Flag>>).flatMap(
    ([name, { instead }]) =>
      instead && given.has(name as FlagName)
        ? [{ level: "warning" as const, text: `--${name} is old: use --${instead}` }]
        : [],
  );
  return [...missing, ...old];
}
