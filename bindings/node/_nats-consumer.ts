import type { ConsumerConfig, ConsumerInfo, JetStreamManager } from "@nats-io/jetstream";
import { messageOf } from "../../src/errors.ts";
import { config as fault } from "./_config.ts";
import { CONSUMER_NOT_FOUND, codeOf } from "./_nats-errors.ts";
import type { Session } from "./_nats-link.ts";
import type { ConsumerPlan } from "./_nats-settings.ts";

/** A durable consumer that is there. */
export interface FoundConsumer {
  readonly stream: string;
  readonly durable: string;
}

/**
 * Finds the consumer, or makes it, with the settings that it is to have. Throws "config" where no stream has the topic, and for a
 * consumer of that name that serves something else.
 */
export async function ensure(
  { manager }: Session,
  plan: ConsumerPlan,
  component: string,
): Promise<FoundConsumer> {
  const stream = plan.stream ?? (await streamOf(manager, plan.topic, component));
  const { durable, config } = plan;
  const found = await infoOf(manager, stream, durable);
  try {
    if (!found) {
      await manager.consumers.add(stream, { ...config, durable_name: durable });
    } else {
      checkFound(found, plan, component);
      if (differs(found.config, config)) await manager.consumers.update(stream, durable, config);
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw fault(
      component,
      `the server refuses consumer ${durable} of stream ${stream}: ${messageOf(error)}. Correct the setting, or delete the consumer or take another durableName where it cannot be changed`,
    );
  }
  return { stream, durable };
}

/** Throws "config" that says how to mend it where not exactly one stream has the topic. */
export async function streamOf(
  manager: JetStreamManager,
  topic: string,
  component: string,
): Promise<string> {
  const names: string[] = [];
  for await (const name of manager.streams.names(topic)) names.push(name);
  const [first, second] = names;
  if (first === undefined) {
    throw fault(
      component,
      `no stream has the subject ${topic}: make one that has, such as \`nats stream add NAME --subjects ${JSON.stringify(topic)}\``,
    );
  }
  if (second === undefined) return first;
  throw fault(
    component,
    `topic ${topic} is in the streams ${names.join(", ")}: name one with streamName`,
  );
}

async function infoOf(
  manager: JetStreamManager,
  stream: string,
  durable: string,
): Promise<ConsumerInfo | undefined> {
  return manager.consumers.info(stream, durable).catch((error: unknown) => {
    if (codeOf(error) === CONSUMER_NOT_FOUND) return undefined;
    throw error;
  });
}

/** To change whom it serves would lose messages for those who rely on it. */
function checkFound({ config }: ConsumerInfo, plan: ConsumerPlan, component: string): void {
  const { durable, topic } = plan;
  if (config.deliver_subject) {
    throw fault(
      component,
      `consumer ${durable} is one that pushes, as daprd makes them: take another durableName`,
    );
  }
  if (config.filter_subject !== topic) {
    throw fault(
      component,
      `consumer ${durable} serves ${config.filter_subject ?? "all subjects"} and not topic ${topic}: take another durableName, or none`,
    );
  }
}

function differs(found: ConsumerConfig, wanted: Partial<ConsumerConfig>): boolean {
  return Object.entries(wanted).some(([key, value]) => {
    const there = found[key as keyof ConsumerConfig];
    const same =
      key === "opt_start_time"
        ? Date.parse(String(there)) === Date.parse(String(value))
        : JSON.stringify(there) === JSON.stringify(value);
    return !same;
  });
}
