import type { bindPubSub } from "../blocks/pubsub/create.ts";
import type { Runtime } from "../runtime.ts";
import type { Host, Target } from "./host.ts";
import type { PubSub } from "./pubsub.ts";
import type { SecretStore } from "./secrets.ts";
import type { StateStore } from "./state.ts";

/** Building blocks that are built, with the contract of each. */
export interface Contracts {
  state: StateStore;
  pubsub: PubSub;
  secretstores: SecretStore;
}

export type Block = keyof Contracts;

/** A declared component: its type and settings, with nothing opened yet. */
export interface Component<B extends Block = Block> {
  /** Dapr component type, such as `state.aws.dynamodb`; its first segment is the block. */
  readonly type: `${B}.${string}`;
  /** Dapr's version of the type; absent for `v1`. */
  readonly version?: string | undefined;
  readonly fields: Fields;
  readonly runsOn: readonly Target[];
  /** Whose clock ends a time to live. */
  readonly clock: "host" | "server";
  /** What the user wrote, unchecked. */
  readonly options: Readonly<Record<string, unknown>>;
  /** A process connects it when it starts, and not on first use; see {@link Startup}. */
  readonly startup?: Startup | undefined;
  /**
   * What it does beside calls: a process has it begin before it connects the component, and it ends when that is closed.
   * Throws `ERR_CONFIGURATION` for what it lacks.
   */
  attend?(runtime: Runtime, name: string): void;
  /** What it can do under its settings. Readable before it is opened. */
  readonly features: readonly string[];
  /** MUST be synchronous and do no I/O: connections are made inside a call. `name` is the component's name. */
  open(host: Host, name: string, appId?: string): Contracts[B];
  /** The block on one call. Components bring it, so that an app without any of a block has none of its code. */
  readonly bind?: typeof bindPubSub | undefined;
}

/** What Dapr's YAML says of a component's start. */
export interface Startup {
  /** Where it is declared: file and line. */
  readonly source: string;
  /** Milliseconds that connecting may take. */
  readonly initTimeout: number;
  /** Whether the process starts without it; it then connects on first use. */
  readonly ignoreErrors: boolean;
}

/** One setting, in the words of Dapr's component metadata. */
export type Field = Setting & Necessity;

interface Setting {
  /** `duration`: a bare number, or a Go duration such as `1m30s`; settings hold milliseconds. `code`: an object that only TypeScript can hand over. */
  readonly type: keyof FieldTypes;
  /** What a bare number of a duration counts. Default `s`. */
  readonly unit?: "s" | "ms";
  /** `off`: a negative duration in Dapr's YAML means 0. */
  readonly negative?: "off";
  /** Other names that Dapr's YAML has for it. */
  readonly aliases?: readonly string[];
  /** Kept out of errors, logs and the metadata API. */
  readonly sensitive?: boolean;
  readonly default?: string | number | boolean;
}

/** What it is for must be said where its absence is an error, which says it too. */
type Necessity =
  | { readonly required: true; readonly description: string }
  | { readonly required?: false; readonly description?: string };

interface FieldTypes {
  string: string;
  number: number;
  boolean: boolean;
  duration: number;
  code: unknown;
}

interface OptionTypes extends Omit<FieldTypes, "duration"> {
  duration: number | string;
}

export type Fields = Readonly<Record<string, Field>>;

type RequiredNames<F extends Fields> = {
  [K in keyof F]: F[K] extends { required: true } ? K : never;
}[keyof F];

type FilledNames<F extends Fields> = {
  [K in keyof F]: F[K] extends { required: true } | { default: string | number | boolean }
    ? K
    : never;
}[keyof F];

/** What the user writes. */
export type Options<F extends Fields> = {
  readonly [K in RequiredNames<F>]: OptionTypes[F[K]["type"]];
} & {
  readonly [K in Exclude<keyof F, RequiredNames<F>>]?: OptionTypes[F[K]["type"]] | undefined;
};

/** What the component gets: the user's options, checked, with the defaults filled in. */
export type Settings<F extends Fields> = {
  readonly [K in FilledNames<F>]: FieldTypes[F[K]["type"]];
} & {
  readonly [K in Exclude<keyof F, FilledNames<F>>]: FieldTypes[F[K]["type"]] | undefined;
};
