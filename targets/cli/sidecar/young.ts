import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Of both halves of V8's young generation, in which a request's objects are made and mostly die. */
const LIMIT = 16 * 2 ** 20;
/** V8 gives most of it back after seconds with little to do. Until it grows again, every request takes a fifth longer. */
const AGAIN_MS = 1000;

/**
 * Keeps V8's young generation small, and one thread for it. Left alone it grows to 128 MB on a large machine, and a sidecar
 * under load to twice its memory, for hardly any time saved. The flag for its size is read when the process starts, and
 * whoever starts a sidecar gives Node no flags; by how much it grows is read whenever it does.
 */
export function limitYoungGeneration(): void {
  // So little survives that to share it among threads takes longer than to move it.
  setFlagsFromString("--no-parallel-scavenge");
  const observer = new PerformanceObserver(watch);
  watch();

  function watch(): void {
    const full = youngSize() >= LIMIT;
    setFlagsFromString(`--semi-space-growth-factor=${full ? 1 : 2}`);
    if (full) {
      observer.disconnect();
      setTimeout(watch, AGAIN_MS).unref();
    } else {
      observer.observe({ entryTypes: ["gc"] });
    }
  }
}

function youngSize(): number {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  return young?.space_size ?? 0;
}
