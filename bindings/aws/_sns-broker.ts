import type { Call, Host } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import type { AccountSettings } from "./_account.ts";
import { fault, faultOf } from "./_fault.ts";
import { queryProtocol, textOf } from "./_query.ts";
import { ServiceFailure } from "./_service.ts";
import { entityName, partitionOf } from "./_topic-name.ts";
import { createWire, jsonProtocol, type Wire } from "./_wire.ts";

export interface BrokerSettings extends AccountSettings {
  readonly consumerID: string;
  readonly accountID: string | undefined;
  readonly partition: string | undefined;
  readonly disableEntityManagement: boolean;
  readonly fifo: boolean;
  readonly assetsManagementTimeoutSeconds: number;
}

/** The services behind one component, and what it calls things there. */
export interface Broker {
  readonly component: string;
  readonly host: Host;
  readonly sns: Wire;
  readonly sqs: Wire;
  readonly fifo: boolean;
  /** Whether topics and queues that are missing are made. Only in a process: an invocation has no rights and no time for it. */
  readonly manages: boolean;
  /** Milliseconds that looking for and making one of them may take. */
  readonly limit: number;
  /** The name of the queue that all topics of the app go to. */
  readonly queue: string;
  /** The account that is set, or whose credentials these are. */
  account(call: Call): Promise<string>;
  topicArn(topic: string, call: Call): Promise<string>;
}

/** Milliseconds after which a request counts as unanswered. */
export const LIMIT_MS = 15_000;

export function createBroker(settings: BrokerSettings, host: Host, component: string): Broker {
  const sns = createWire(queryProtocol("SNS", "sns", "2010-03-31"), settings, host, component);
  const sts = createWire(queryProtocol("STS", "sts", "2011-06-15"), settings, host, component);
  const sqs = createSqs(settings, host, component);
  const { fifo, assetsManagementTimeoutSeconds: limit } = settings;
  let account = settings.accountID;
  return {
    component,
    host,
    sns,
    sqs,
    fifo,
    limit,
    manages: host.target === "node" && !settings.disableEntityManagement,
    queue: nameOf(settings.consumerID, fifo, component, "the setting consumerID"),
    account: accountOf,
    async topicArn(topic, call) {
      const name = nameOf(topic, fifo, component, `topic ${JSON.stringify(topic)}`);
      const { region } = sns.scope();
      const partition = settings.partition || partitionOf(region);
      return `arn:${partition}:sns:${region}:${await accountOf(call)}:${name}`;
    },
  };

  async function accountOf(call: Call): Promise<string> {
    if (account) return account;
    const xml = await asking(component, "STS", "the account's number", () =>
      sts.run("GetCallerIdentity", {}, call, limit),
    );
    account = textOf(String(xml), "Account");
    if (account) return account;
    throw fault("config", component, "STS does not say the account: set accountID", undefined);
  }
}

export function createSqs(settings: AccountSettings, host: Host, component: string): Wire {
  const protocol = jsonProtocol({
    label: "SQS",
    service: "sqs",
    target: "AmazonSQS",
    version: "1.0",
    silent: true,
  });
  return createWire(protocol, settings, host, component);
}

/** Throws what `work` throws as the component's own finding. */
export async function asking<T>(
  component: string,
  service: string,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ServiceFailure.is(error) ? faultOf(error, component, service, what) : error;
  }
}

/** A topic or a queue that is not there, in the words of either service and protocol. */
export function isMissing(error: unknown): boolean {
  return (
    ServiceFailure.is(error) &&
    /^NotFound(Exception)?$|QueueDoesNotExist|NonExistentQueue/.test(error.name)
  );
}

function nameOf(name: string, fifo: boolean, component: string, what: string): string {
  const made = entityName(name, fifo);
  if (made !== "" && made !== ".fifo") return made;
  throw new ComponentError(
    "invalid",
    `component ${component}: ${what} has no letter, digit, _ or -, of which names on AWS are made`,
  );
}
