import { fromBase64, toBase64 } from "../../src/base64.ts";
import type { Call } from "../../src/contracts/host.ts";
import {
  type CancellationReason,
  type OperationName,
  type Row,
  ServiceFailure,
  type Transport,
} from "./_service.ts";

export type { Transport } from "./_service.ts";

/** What is used of the AWS SDK v3's `DynamoDBClient`, so that any version and copy of it fits. */
export interface SdkClient {
  send(command: never, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

type Commands = Readonly<Record<`${OperationName}Command`, new (input: object) => never>>;

/** Sends state through the user's own SDK client: its credentials, retries, middleware and tracing. */
export function sdk(client: SdkClient): Transport {
  let commands: Commands | undefined;
  return {
    async run(operation, input, call) {
      commands ??= await load();
      call.signal?.throwIfAborted();
      try {
        const command = new commands[`${operation}Command`](withBytes(input) as object);
        return withBase64(await client.send(command, { abortSignal: call.signal })) as never;
      } catch (error) {
        throw failureOf(error, call);
      }
    },
    native: () => client,
  };
}

async function load(): Promise<Commands> {
  return (await import("@aws-sdk/client-dynamodb")) as unknown as Commands;
}

/** What the SDK's errors have in common, whatever threw them. */
interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly statusCode?: number };
  readonly Item?: Row;
  readonly CancellationReasons?: readonly CancellationReason[];
}

function failureOf(cause: unknown, { signal }: Call): unknown {
  if (signal?.aborted) return signal.reason;
  if (!(cause instanceof Error)) return cause;
  const { name, message, $metadata, $response, Item, CancellationReasons } = cause as SdkError;
  // Thrown before there was a request; a status says that it is not for want of an answer.
  const unsent = name === "CredentialsProviderError" || message === "Region is missing";
  const failure = new ServiceFailure(name, message, {
    status: unsent ? 401 : ($metadata?.httpStatusCode ?? $response?.statusCode),
    item: Item && (withBase64(Item) as Row),
    reasons: CancellationReasons,
    cause,
  });
  // The SDK does not tell a throttled attempt from one whose answer was lost.
  failure.retried = ($metadata?.attempts ?? 1) > 1;
  return failure;
}

/** The attributes of a request, bytes as the SDK wants them. */
function withBytes(input: unknown): unknown {
  return mapBinary(input, (value) => (typeof value === "string" ? fromBase64(value) : value));
}

/** The attributes of an answer, bytes as the service's JSON has them. */
function withBase64(output: unknown): unknown {
  return mapBinary(output, (value) => (value instanceof Uint8Array ? toBase64(value) : value));
}

function mapBinary(node: unknown, convert: (value: unknown) => unknown): unknown {
  if (typeof node !== "object" || node === null || node instanceof Uint8Array) return node;
  if (Array.isArray(node)) return node.map((child) => mapBinary(child, convert));
  const mapped: Record<string, unknown> = {};
  for (const [name, child] of Object.entries(node)) {
    mapped[name] = name === "B" ? convert(mapBinary(child, convert)) : mapBinary(child, convert);
  }
  return mapped;
}
