import type { Broker } from "./_sns-broker.ts";
import { checkPulling, type Pulling } from "./_sns-settings.ts";
import type { Puller, PullSettings } from "./_sqs-puller.ts";

/**
 * What only a process does: it pulls. Throws `ERR_CONFIGURATION` for settings that nothing else reads. What pulls is loaded
 * when it is first called.
 */
export function inProcess(broker: Broker, settings: PullSettings & Pulling): Puller {
  checkPulling(broker, settings);
  let loaded: Promise<Puller> | undefined;
  const load = () =>
    (loaded ??= import("./_sqs-puller.ts").then(({ createPuller }) =>
      createPuller(broker, settings),
    ));
  return {
    init: async (call) => (await load()).init(call),
    subscribe: async (request, call) => (await load()).subscribe(request, call),
    close: async () => (await loaded)?.close(),
  };
}
