import type { Call } from "../contracts/host.ts";
import type { Runtime } from "../runtime.ts";

/** A request to Dapr's API, as whatever server received it hands it on. */
export interface ApiRequest {
  readonly method: string;
  /** As it was sent: still percent-encoded, without the query. */
  readonly path: string;
  /** As it was sent, without `?`; empty where there is none. */
  readonly query: string;
  /** By name in lower case; several values of one name are joined by commas. */
  header(name: string): string | undefined;
  /** The whole body, empty where there is none. What it rejects with is answered as a body that cannot be read. */
  body(): Promise<Uint8Array>;
  /** Aborted when the caller went away. */
  readonly signal?: AbortSignal | undefined;
}

export interface ApiResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  /** Absent where the answer has none; then there is no content type either. */
  readonly body?: string | Uint8Array | undefined;
}

/** Access to one part of the API, as in Dapr's Configuration. */
export interface AccessRule {
  /** First segment of the part's paths, such as `state` or `invoke`. */
  readonly name: string;
  /** `v1.0`, `v1.0-alpha1`, `v1.0-alpha2` or `v1.0-beta1`, or Dapr's `v1`, `v1alpha1`, `v1alpha2`, `v1beta1`. */
  readonly version: string;
  /** Rules for gRPC say nothing here. Default `http`. */
  readonly protocol?: "http" | "grpc" | undefined;
}

/** What only a process has. Without it there is no route that changes metadata or shuts down. */
export interface Process {
  /** What the process still waits for before it is ready; empty once it is. */
  waitingFor(): readonly string[];
  /** Whether the components are there, whatever the app does. */
  outboundReady(): boolean;
  /** Begins the end of the process, at once where forced. Called before the answer is sent, so it must let that go first. */
  shutdown(force: boolean): void;
  /** Metadata to begin with, such as `appCommand`; requests may change it. */
  readonly extended?: Readonly<Record<string, string>> | undefined;
  /** How the app is reached, where there is one. */
  readonly app?: AppConnection | undefined;
  /** What the app is subscribed to. */
  subscriptions?(): readonly ShownSubscription[];
}

/** Shown in the metadata, with Dapr's names. */
export interface ShownSubscription {
  readonly pubsubname: string;
  readonly topic: string;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly rules: readonly { readonly match?: string | undefined; readonly path: string }[];
  readonly deadLetterTopic: string;
  readonly type: "DECLARATIVE" | "PROGRAMMATIC";
}

/** Shown in the metadata, with Dapr's names. */
export interface AppConnection {
  readonly port?: number | undefined;
  readonly protocol?: string | undefined;
  readonly channelAddress?: string | undefined;
  readonly maxConcurrency?: number | undefined;
  readonly health?:
    | {
        readonly healthCheckPath?: string | undefined;
        readonly healthProbeInterval?: string | undefined;
        readonly healthProbeTimeout?: string | undefined;
        readonly healthThreshold?: number | undefined;
      }
    | undefined;
}

/** What every handler may use. */
export interface Context {
  readonly runtime: Runtime;
  /** Bytes. */
  readonly maxBodySize: number;
  readonly process: Process | undefined;
  /** Metadata that requests have changed, over that of the process. */
  readonly extended: Map<string, string>;
}

/** One request on its way through a handler. */
export interface Exchange {
  readonly context: Context;
  readonly request: ApiRequest;
  readonly call: Call;
  /** What stands in the place of each parameter of the route, decoded. */
  readonly params: readonly string[];
}

export type Handler = (exchange: Exchange) => ApiResponse | Promise<ApiResponse>;

/** Some methods on one path, under each version of the API that has it. */
export interface Route {
  readonly methods: readonly string[];
  readonly versions: readonly string[];
  /** Segments; `{}` stands for any one, `*` at the end for all that follow. */
  readonly path: string;
  readonly handler: Handler;
}
