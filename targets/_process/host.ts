import { inProcess as snsSqs } from "../../bindings/aws/_sqs-process.ts";
import type { Host, Target } from "../../src/contracts/host.ts";
import { commonHost } from "./common.ts";

/** By component type: see {@link Host.inProcess}. */
const parts: Readonly<Record<string, unknown>> = { "pubsub.aws.snssqs": snsSqs };

/** What a process lends to components: what Node does, and what components do in a process alone. */
export function processHost(target: Target, ports: Partial<Host> = {}): Host {
  return commonHost(target, { inProcess: (type) => parts[type], ...ports });
}
