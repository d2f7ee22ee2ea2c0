import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type DynamoDBOptions, state } from "../../bindings/aws/dynamodb.ts";
import { sdk } from "../../bindings/aws/dynamodb-sdk.ts";
import type { Host } from "../../src/contracts/host.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import {
  type DynamoDB,
  type DynamoDBOptions as Emulator,
  ministackPath,
  startDynamoDB,
} from "../harness/dynamodb.ts";

export type Transports = "light" | "sdk";
export type Emulators = Emulator["emulator"];

/** Long enough for DynamoDB to look like credentials, and easy to find in a message. */
export const credentials = {
  accessKey: "AKIDEXAMPLE",
  secretKey: "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
};

export const emulators: readonly Emulators[] = ["npm", "ministack"];

/** Why an emulator cannot run here; never a reason on CI, where its absence must fail. */
export function absent(emulator: Emulators): string | undefined {
  if (emulator === "npm" || ministackPath() || process.env.CI === "true") return undefined;
  return "ministack is not installed: pip install ministack==1.5.33, on the PATH or in $PILLION_MINISTACK";
}

/** The emulator, or nothing where it is absent and its tests are skipped. */
export async function startUnlessAbsent(emulator: Emulators): Promise<DynamoDB | undefined> {
  return absent(emulator) ? undefined : startDynamoDB({ emulator });
}

export function component(
  transport: Transports,
  endpoint: string,
  options: Partial<DynamoDBOptions> & { table: string },
) {
  if (transport === "light")
    return state({ region: "us-east-1", endpoint, ...credentials, ...options });
  return state({ transport: sdk(sdkClient(endpoint)), ...options });
}

/** A component for a suite that declares its tests before its emulator has started. */
export function laterComponent(
  transport: Transports,
  server: () => DynamoDB,
  options: Partial<DynamoDBOptions> & { table: string },
): ReturnType<typeof state> {
  return {
    ...component(transport, "http://127.0.0.1:9", options),
    open: (host, name) => component(transport, server().endpoint, options).open(host, name),
  };
}

export function sdkClient(endpoint: string): DynamoDBClient {
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = credentials;
  return new DynamoDBClient({
    region: "us-east-1",
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
  });
}

/** The block on one component, as the app `orders` sees it. */
export function stateOn(statestore: ReturnType<typeof state>, ports: Partial<Host> = {}) {
  const runtime = createRuntime({
    id: "orders",
    components: { statestore },
    host: processHost("node", ports),
  });
  return runtime.blocks.state("statestore");
}

/** What `work` rejected with. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<Error & { readonly kind?: string }> {
  const outcome = await work.then(
    () => new Error("it did not fail"),
    (reason: Error) => reason,
  );
  return outcome;
}
