import { configurationError } from "../../src/errors.ts";

interface Checked {
  readonly accountID: string | undefined;
  readonly messageReceiveLimit: number | undefined;
  readonly sqsDeadLettersQueueName: string | undefined;
}

/** Throws `ERR_CONFIGURATION` for the first setting that cannot be, of those that matter everywhere. */
export function checkSettings(settings: Checked, component: string): void {
  const { accountID, sqsDeadLettersQueueName: letters, messageReceiveLimit: most } = settings;
  if (accountID !== undefined && !/^\d{12}$/.test(accountID)) {
    throw wrong(component, "accountID must be the 12 digits of an account");
  }
  if (!letters !== (most === undefined)) {
    const text = "sqsDeadLettersQueueName and messageReceiveLimit go together, and one is missing";
    throw wrong(component, text);
  }
  if (letters) checkWhole(component, settings, "messageReceiveLimit", 1, 1000);
}

export interface Pulling {
  readonly messageVisibilityTimeout: number;
  readonly messageWaitTimeSeconds: number;
  readonly messageMaxNumber: number;
  readonly messageRetryLimit: number;
  readonly sqsDeadLettersQueueName: string | undefined;
  readonly disableDeleteOnRetryLimit: boolean;
  readonly concurrencyMode: string;
  readonly concurrencyLimit: number;
}

/** The same for those that only a process reads, which pulls. */
export function checkPulling({ component }: { component: string }, settings: Pulling): void {
  if (!isWhole(settings.messageVisibilityTimeout / 1000, 1, 43_200)) {
    throw wrong(component, "messageVisibilityTimeout must be whole seconds from 1 to 43200");
  }
  checkWhole(component, settings, "messageWaitTimeSeconds", 1, 20);
  checkWhole(component, settings, "messageMaxNumber", 1, 10);
  checkWhole(component, settings, "messageRetryLimit", 2, 1_000_000);
  checkWhole(component, settings, "concurrencyLimit", 0, 1_000_000);
  if (!/^(parallel|single)$/.test(settings.concurrencyMode)) {
    throw wrong(component, "concurrencyMode must be parallel or single");
  }
  if (settings.disableDeleteOnRetryLimit && settings.sqsDeadLettersQueueName) {
    const text =
      "disableDeleteOnRetryLimit has no meaning with sqsDeadLettersQueueName: leave out one";
    throw wrong(component, text);
  }
}

function checkWhole<N extends string>(
  component: string,
  settings: { readonly [name in N]: unknown },
  name: N,
  least: number,
  most: number,
): void {
  if (isWhole(settings[name], least, most)) return;
  throw wrong(component, `${name} must be a whole number from ${least} to ${most}`);
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}

function wrong(component: string, problem: string): Error {
  return configurationError(`component ${component}: the setting ${problem}`);
}
