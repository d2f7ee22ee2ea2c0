import type { Call } from "../../src/contracts/host.ts";
import type { Batch, IncomingMessage, Outcome } from "../../src/contracts/pubsub.ts";
import { asking } from "./_sns-broker.ts";
import type { SqsMessage } from "./_sqs-message.ts";
import { urlInArn } from "./_sqs-queue.ts";
import { hide } from "./_sqs-visibility.ts";
import { nameInArn } from "./_topic-name.ts";
import type { Wire } from "./_wire.ts";

interface SqsRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly eventSource: string;
  readonly eventSourceARN: string;
  readonly attributes?: {
    readonly ApproximateReceiveCount?: string;
    readonly MessageGroupId?: string;
  };
}

/** What Lambda is told: which messages stay in the queue. It deletes the others. */
export interface BatchResult {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** The messages of an event of the queue of that name, or undefined for any other event. */
export function sqsBatch(
  event: unknown,
  queue: string,
  component: string,
  sqs: Wire,
  toMessage: (message: SqsMessage) => IncomingMessage,
): Batch | undefined {
  const records = (event as { readonly Records?: unknown } | null | undefined)?.Records;
  if (!Array.isArray(records) || !records.every(isRecord)) return undefined;
  const arn = records[0]?.eventSourceARN;
  if (arn === undefined || nameInArn(arn) !== queue) return undefined;
  return {
    messages: records.map((record) => toMessage(messageOf(record))),
    settle: (outcomes, call) => settle(arn, records, outcomes, call),
  };

  async function settle(
    arn: string,
    records: readonly SqsRecord[],
    outcomes: readonly Outcome[],
    call: Call,
  ): Promise<BatchResult> {
    const failed = records.filter((_, index) => outcomes[index]?.is === "retry");
    const late = delaysOf(records, outcomes);
    // An invocation that runs out of time has none for this: its messages come when the queue has waited its own time.
    if (late.length > 0 && !call.signal?.aborted) {
      const hidden = asking(component, "SQS", `queue ${queue}`, () =>
        hide(sqs, urlInArn(sqs.scope().url, arn), late, call),
      );
      // They do come again, if at another time: the others are not to fail for that.
      await hidden.catch(() => call.waitUntil(hidden));
    }
    return {
      batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })),
    };
  }
}

/** Those that wait for a time of their own. */
function delaysOf(records: readonly SqsRecord[], outcomes: readonly Outcome[]) {
  return records.flatMap(({ receiptHandle: handle }, index) => {
    const outcome = outcomes[index];
    return outcome?.is === "retry" && outcome.delay !== undefined
      ? [{ handle, delayMs: outcome.delay }]
      : [];
  });
}

function isRecord(value: unknown): value is SqsRecord {
  const { eventSource, eventSourceARN, body } = (value ?? {}) as Partial<SqsRecord>;
  return (
    eventSource === "aws:sqs" && typeof eventSourceARN === "string" && typeof body === "string"
  );
}

function messageOf({ messageId, receiptHandle, body, attributes }: SqsRecord): SqsMessage {
  return {
    id: messageId,
    handle: receiptHandle,
    body,
    count: Number(attributes?.ApproximateReceiveCount) || 1,
    group: attributes?.MessageGroupId,
  };
}
