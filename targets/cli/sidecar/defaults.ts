import type { AccessRule } from "../../../src/http/index.ts";

/** What Dapr's Configuration says that is obeyed here. */
export interface Configuration {
  readonly allowed: readonly AccessRule[];
  readonly denied: readonly AccessRule[];
  readonly apiLogging: ApiLogging;
  readonly metrics: boolean;
  /** Types of components that are refused: `state.redis`, or with its version `state.redis/v1`. */
  readonly refusedTypes: readonly string[];
}

export interface ApiLogging {
  readonly enabled: boolean;
  /** Lines name the part of the API in place of the path. */
  readonly obfuscateURLs: boolean;
  readonly omitHealthChecks: boolean;
}

export const emptyConfiguration: Configuration = {
  allowed: [],
  denied: [],
  apiLogging: { enabled: false, obfuscateURLs: false, omitHealthChecks: false },
  metrics: true,
  refusedTypes: [],
};
