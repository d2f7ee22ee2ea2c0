import type { Bulk } from "./routes.ts";

/** Gathers messages that go to the app in one request. */
export interface Batch<Entry> {
  /**
   * Resolves to the app's word on an entry. Rejects with the signal's reason where that comes first. `perhapsLast`: others
   * may come only after it, so that they are waited for no longer than a moment.
   */
  add(entry: Entry, signal: AbortSignal | undefined, perhapsLast: boolean): Promise<string>;
}

interface Waiting<Entry> {
  readonly entry: Entry;
  readonly settle: (answer: Promise<string>) => void;
}

/** Milliseconds without another entry after which a request goes out to which nothing more may be coming. */
const QUIET_MS = 10;

/**
 * `send` gets as many entries as there may be, or those that came until the first of them has waited its time; its signal
 * is aborted once nobody waits for any of them.
 */
export function createBatch<Entry>(
  { maxMessages, maxWaitMs }: Bulk,
  send: (entries: readonly Entry[], signal: AbortSignal) => Promise<(entry: Entry) => string>,
): Batch<Entry> {
  const waiting = new Set<Waiting<Entry>>();
  /** What the departure of one that is under way does. */
  const left = new Map<Waiting<Entry>, () => void>();
  let timer: NodeJS.Timeout | undefined;
  return { add };

  function add(
    entry: Entry,
    signal: AbortSignal | undefined,
    perhapsLast: boolean,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const one: Waiting<Entry> = {
        entry,
        settle(answer) {
          signal?.removeEventListener("abort", leave);
          answer.then(resolve, reject);
        },
      };
      const leave = () => {
        waiting.delete(one);
        left.get(one)?.();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", leave, { once: true });
      waiting.add(one);
      if (waiting.size >= maxMessages) flush();
      else wait(perhapsLast);
    });
  }

  function wait(perhapsLast: boolean): void {
    if (timer && !perhapsLast) return;
    clearTimeout(timer);
    timer = setTimeout(flush, perhapsLast ? Math.min(QUIET_MS, maxWaitMs) : maxWaitMs);
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = [...waiting];
    waiting.clear();
    if (batch.length > 0) void deliver(batch);
  }

  async function deliver(batch: readonly Waiting<Entry>[]): Promise<void> {
    const stop = new AbortController();
    let present = batch.length;
    for (const one of batch) {
      left.set(one, () => {
        if (--present === 0) stop.abort(new DOMException("nobody waits for it", "AbortError"));
      });
    }
    const answer = send(
      batch.map(({ entry }) => entry),
      stop.signal,
    );
    await answer.catch(() => undefined);
    for (const one of batch) {
      left.delete(one);
      one.settle(answer.then((statusOf) => statusOf(one.entry)));
    }
  }
}
