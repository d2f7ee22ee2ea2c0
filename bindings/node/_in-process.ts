import type { Host, InProcess } from "../../src/contracts/host.ts";
import { checkPulling } from "../aws/_sns-settings.ts";

/** What a component type does in a process alone. Both take what its own component gives. */
interface Part {
  /** Throws `ERR_CONFIGURATION` for settings that nothing else reads. */
  check(...parts: unknown[]): void;
  load(): Promise<(...parts: never) => InProcess>;
}

const all: Readonly<Record<string, Part>> = {
  "pubsub.aws.snssqs": {
    check: checkPulling as Part["check"],
    load: async () => (await import("../aws/_sqs-puller.ts")).createPuller,
  },
};

/** See {@link Host.inProcess}. */
export const inProcess: NonNullable<Host["inProcess"]> = (type, ...parts) => {
  const part = all[type];
  if (!part) throw new Error(`${type} does nothing of its own in a process`);
  part.check(...parts);
  let loaded: Promise<InProcess> | undefined;
  const load = () => (loaded ??= part.load().then((create) => create(...(parts as never))));
  return {
    init: async (call) => (await load()).init(call),
    subscribe: async (request, call) => (await load()).subscribe(request, call),
    close: async () => (await loaded)?.close(),
  };
};
