import type { Call } from "../../src/contracts/host.ts";
import { ServiceFailure } from "./_service.ts";
import type { Wire } from "./_wire.ts";

/** The longest that SQS keeps a message from others, in seconds: 12 hours from when it was received. */
const LONGEST = 43_200;
const MAX_ENTRIES = 10;

/** When a message that was received comes again. */
export interface Hidden {
  readonly handle: string;
  /** Rounded up to whole seconds. */
  readonly delayMs: number;
}

/** Throws the first failure once all were tried. */
export async function hide(
  sqs: Wire,
  QueueUrl: string,
  messages: readonly Hidden[],
  call: Call,
  limitMs?: number,
): Promise<void> {
  const failures: unknown[] = [];
  const batches: (readonly Hidden[])[] = [];
  for (let at = 0; at < messages.length; at += MAX_ENTRIES) {
    batches.push(messages.slice(at, at + MAX_ENTRIES));
  }
  await Promise.all(
    batches.map(async (batch) => {
      const Entries = batch.map(({ handle, delayMs }, index) => ({
        Id: String(index),
        ReceiptHandle: handle,
        VisibilityTimeout: Math.min(Math.ceil(delayMs / 1000), LONGEST),
      }));
      try {
        const input = { QueueUrl, Entries };
        const answer = await sqs.run("ChangeMessageVisibilityBatch", input, call, limitMs);
        for (const failed of (answer as Answer).Failed ?? []) failures.push(failureOf(failed));
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
}

interface Failed {
  readonly Code?: string;
  readonly Message?: string;
  readonly SenderFault?: boolean;
}

interface Answer {
  readonly Failed?: readonly Failed[];
}

function failureOf({ Code = "UnknownError", Message = Code, SenderFault }: Failed): ServiceFailure {
  return new ServiceFailure(Code, Message, { status: SenderFault ? 400 : 500 });
}
