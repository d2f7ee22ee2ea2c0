import type { Call } from "../../src/contracts/host.ts";

/** An attribute as the service's JSON has it: bytes in base64, numbers as text. */
export interface Attribute {
  readonly S?: string;
  readonly N?: string;
  readonly B?: string;
}

export type Row = Readonly<Record<string, Attribute>>;

/** What the operations that the store uses answer, as far as it reads the answers. */
export interface Answers {
  GetItem: { readonly Item?: Row };
  BatchGetItem: {
    readonly Responses?: Readonly<Record<string, readonly Row[]>>;
    readonly UnprocessedKeys?: Readonly<Record<string, { readonly Keys?: readonly Row[] }>>;
  };
  PutItem: unknown;
  DeleteItem: unknown;
  TransactWriteItems: unknown;
  Scan: { readonly Items?: readonly Row[]; readonly LastEvaluatedKey?: Row };
}

export type OperationName = keyof Answers;

/** The seam to DynamoDB: requests and answers have the shape of the service's own JSON. */
export interface Transport {
  /**
   * MUST throw {@link ServiceFailure} for an error answer and for no answer, and the signal's reason
   * once `call` was aborted. Retries what is safe and may pass.
   */
  run<O extends OperationName>(operation: O, input: object, call: Call): Promise<Answers[O]>;
  /** What the user gets for calls of their own. */
  native(call: Call): unknown;
}

/** Why one operation of a transaction stood in its way; code `None` for one that did not. */
export interface CancellationReason {
  readonly Code?: string;
  readonly Message?: string;
}

export interface FailureDetails extends ErrorOptions {
  /** HTTP status; undefined where no answer came. */
  status: number | undefined;
  /** The stored item, where a condition did not hold and the request asked for it. */
  item?: Row | undefined;
  reasons?: readonly CancellationReason[] | undefined;
}

/** A ValidationException quotes the request, values included. */
const MAX_MESSAGE = 400;

/** An operation that DynamoDB refused or never answered, the same from both transports. */
export class ServiceFailure extends Error {
  override readonly name: string;
  readonly status: number | undefined;
  readonly item: Row | undefined;
  readonly reasons: readonly CancellationReason[];
  /** An earlier attempt of the same request may have been carried out. */
  retried = false;

  /** Compares by shape, so that it holds between two bundled copies of pillion. */
  static is(error: unknown): error is ServiceFailure {
    return error instanceof Error && "retried" in error && "reasons" in error;
  }

  constructor(
    name: string,
    message: string,
    { status, item, reasons = [], cause }: FailureDetails,
  ) {
    // Below the first line, AWS explains a bad signature with the request it was made of, session token included.
    super(message.split("\n", 1)[0]?.slice(0, MAX_MESSAGE), { cause });
    this.name = name;
    this.status = status;
    this.item = item;
    this.reasons = reasons;
  }
}

const throttling = new Set([
  "LimitExceededException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ReplicatedWriteConflictException",
  "RequestThrottled",
  "Throttled",
  "Throttling",
  "ThrottlingException",
  "ThrottlingError",
  // A retry of a transaction that met its own first attempt.
  "TransactionInProgressException",
]);

/** Whether the same request may succeed later, whatever it asks for. */
export function isTransient({ name, status }: ServiceFailure): boolean {
  return status === undefined || status >= 500 || throttling.has(name);
}
