import { configurationError } from "../../src/errors.ts";

interface Checked {
  readonly accountID: string | undefined;
  readonly messageVisibilityTimeout: number;
  readonly messageWaitTimeSeconds: number;
  readonly messageMaxNumber: number;
  readonly messageRetryLimit: number;
  readonly messageReceiveLimit: number | undefined;
  readonly sqsDeadLettersQueueName: string | undefined;
  readonly disableDeleteOnRetryLimit: boolean;
  readonly concurrencyMode: string;
  readonly concurrencyLimit: number;
}

/** Throws `ERR_CONFIGURATION` for the first setting that cannot be. */
export function checkSettings(settings: Checked, component: string): void {
  const { accountID, sqsDeadLettersQueueName: letters, messageReceiveLimit: most } = settings;
  if (accountID !== undefined && !/^\d{12}$/.test(accountID)) {
    refuse("accountID must be the 12 digits of an account");
  }
  const seconds = settings.messageVisibilityTimeout / 1000;
  if (!isWhole(seconds, 1, 43_200)) {
    refuse("messageVisibilityTimeout must be whole seconds from 1 to 43200");
  }
  whole("messageWaitTimeSeconds", 1, 20);
  whole("messageMaxNumber", 1, 10);
  whole("messageRetryLimit", 2, 1_000_000);
  whole("concurrencyLimit", 0, 1_000_000);
  if (!/^(parallel|single)$/.test(settings.concurrencyMode)) {
    refuse("concurrencyMode must be parallel or single");
  }
  if (!letters !== (most === undefined)) {
    refuse("sqsDeadLettersQueueName and messageReceiveLimit go together, and one is missing");
  }
  if (!letters) return;
  if (!isWhole(most, 1, 1000)) refuse("messageReceiveLimit must be a whole number from 1 to 1000");
  if (settings.disableDeleteOnRetryLimit) {
    refuse("disableDeleteOnRetryLimit has no meaning with sqsDeadLettersQueueName: leave out one");
  }

  function whole(name: keyof Checked, least: number, most: number): void {
    if (isWhole(settings[name], least, most)) return;
    refuse(`${name} must be a whole number from ${least} to ${most}`);
  }

  function refuse(problem: string): never {
    throw configurationError(`component ${component}: the setting ${problem}`);
  }
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}
