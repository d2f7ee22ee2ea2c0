import type { Call } from "../../contracts/host.ts";
import type { PubSub, PubSubFeature } from "../../contracts/pubsub.ts";
import { type ApiError, ComponentError } from "../../errors.ts";
import type { Opened } from "../../opened.ts";
import { toPubSubError } from "./errors.ts";

export type OpenedPubSub = Opened<PubSub>;

/** Counts, reports and translates one call to a broker; the only place that does. */
export async function perform<T>(
  { name, clock, onEvent, enter, leave }: OpenedPubSub,
  call: Call,
  operation: "publish" | "publishBulk",
  topic: string,
  run: () => Promise<T>,
): Promise<T> {
  enter();
  const started = onEvent && clock.now();
  let failed: ApiError | undefined;
  try {
    call.signal?.throwIfAborted();
    return await run();
  } catch (cause) {
    failed = toPubSubError(name, topic, cause);
    // Whoever aborted expects to get back what they aborted with.
    throw call.signal?.aborted && cause === call.signal.reason ? cause : failed;
  } finally {
    leave();
    if (started !== undefined) {
      const error = failed && { code: failed.code, kind: failed.kind };
      const durationMs = clock.now() - started;
      onEvent?.({ type: "pubsub.call", component: name, operation, topic, durationMs, error });
    }
  }
}

/** Refuses what the component did not claim. */
export function need({ name, features }: OpenedPubSub, feature: PubSubFeature, what: string): void {
  if (features.has(feature)) return;
  throw new ComponentError(
    "unsupported",
    `pubsub ${name} does not support ${what}: it lacks ${feature}`,
  );
}
