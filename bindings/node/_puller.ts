import type { Host, Puller } from "../../src/contracts/host.ts";

/** What pulls, by component type: see {@link Host.puller}. Each takes what its own component gives. */
const pullers: Readonly<Record<string, () => Promise<(...parts: never) => Puller>>> = {
  "pubsub.aws.snssqs": async () => (await import("../aws/_sqs-puller.ts")).createPuller,
};

/** Loads what pulls with the first subscription, which many processes never make. */
export const puller: NonNullable<Host["puller"]> = (type, ...parts) => {
  let loaded: Promise<Puller> | undefined;
  return {
    async subscribe(request, call) {
      loaded ??= load();
      return (await loaded).subscribe(request, call);
    },
    close: async () => (await loaded)?.close(),
  };

  async function load(): Promise<Puller> {
    const create = await pullers[type]?.();
    if (!create) throw new Error(`nothing here pulls for ${type}`);
    return create(...(parts as never));
  }
};
