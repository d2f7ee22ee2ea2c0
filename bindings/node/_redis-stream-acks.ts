import type { Group } from "./_redis-stream-group.ts";

/** What is handled and not yet acknowledged: told to the server many at a time, and again until it has heard. */
export interface Acks {
  has(id: string): boolean;
  /** So many that nothing more should be read until the server answers. */
  full(): boolean;
  add(id: string): void;
  /** Resolves once all is told, or was tried once more in vain: whether the server knows. */
  end(): Promise<boolean>;
}

const MOST = 1000;
const PAUSE_MS = 500;

export function createAcks(group: Group, freed: () => void): Acks {
  const open = new Set<string>();
  let telling: Promise<void> | undefined;
  /** Attempts that may fail. */
  let left = Infinity;
  let wake = (): void => undefined;

  return {
    has: (id) => open.has(id),
    full: () => open.size >= MOST,
    add(id) {
      open.add(id);
      telling ??= tell().finally(() => (telling = undefined));
    },
    async end() {
      left = 1;
      wake();
      await telling;
      return open.size === 0;
    },
  };

  async function tell(): Promise<void> {
    // Those that end in the same turn go together.
    await new Promise((resolve) => setImmediate(resolve));
    while (open.size > 0 && left > 0) {
      const ids = [...open];
      try {
        await group.ack(ids);
        for (const id of ids) open.delete(id);
        if (ids.length >= MOST) freed();
      } catch {
        left--;
        if (left > 0) await pause();
      }
    }
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PAUSE_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
