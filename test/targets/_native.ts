import { existsSync } from "node:fs";
import { nativeClient } from "../harness/lambda.ts";

/** Why the native client cannot run here; never a reason on CI, where its absence must fail. */
export function withoutNative(): string | undefined {
  if (existsSync(nativeClient) || process.env.CI === "true") return undefined;
  return "the native client is not built: test/lambda/build-native.sh";
}
