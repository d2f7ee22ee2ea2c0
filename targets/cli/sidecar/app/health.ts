import { setTimeout as sleep } from "node:timers/promises";
import type { Health } from "../options.ts";

/**
 * Probes an app until `ended`, and tells of every change. It counts as unhealthy until a probe succeeded, and again after
 * as many failures one after the other as the threshold says.
 */
export async function watchHealth(
  { intervalMs, threshold }: Health,
  probe: () => Promise<boolean>,
  changed: (healthy: boolean) => void,
  ended: AbortSignal,
): Promise<void> {
  let failures = threshold;
  while (!ended.aborted) {
    const began = performance.now();
    const healthy = await probe();
    if (ended.aborted) return;
    if (healthy && failures >= threshold) changed(true);
    failures = healthy ? 0 : failures + 1;
    if (failures === threshold) changed(false);
    const left = Math.max(0, intervalMs - (performance.now() - began));
    await sleep(left, undefined, { signal: ended }).catch(() => undefined);
  }
}
