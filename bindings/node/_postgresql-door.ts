import type { ComponentError } from "../../src/errors.ts";

/** Lets so many in at a time; the others wait in line, up to a number and for a time. */
export interface Door {
  /** Whether there was room at once. Whoever is in must leave. */
  tryEnter(): boolean;
  /** Resolves when the waiter is in; rejects when the line or the wait is too long. */
  enter(waiter: Waiter): Promise<void>;
  leave(): void;
  /** Sends away all who wait. */
  close(): void;
}

export interface Waiter {
  /** Takes it out of the line; what it waits for then never settles. */
  leave?(): void;
}

export interface DoorOptions {
  readonly places: number;
  readonly line: number;
  readonly waitMs: number;
  /** The error for whoever is sent away. */
  refuse(why: string): ComponentError;
}

interface Waiting {
  enter(): void;
  refuse(error: ComponentError): void;
}

export function door({ places, line, waitMs, refuse }: DoorOptions): Door {
  let free = places;
  const waiting = new Set<Waiting>();

  return {
    tryEnter() {
      if (free === 0) return false;
      free--;
      return true;
    },
    enter(waiter) {
      if (waiting.size >= line) return Promise.reject(refuse(`${line} calls wait already`));
      return new Promise((resolve, reject) => {
        const late = () => one.refuse(refuse(`no connection was free for ${waitMs} ms`));
        const timer = setTimeout(late, waitMs);
        const one: Waiting = {
          enter: () => out() && resolve(),
          refuse: (error) => out() && reject(error),
        };
        waiter.leave = out;
        waiting.add(one);
        function out(): boolean {
          clearTimeout(timer);
          return waiting.delete(one);
        }
      });
    },
    leave() {
      const [next] = waiting;
      if (next) next.enter();
      else free++;
    },
    close() {
      for (const one of waiting) one.refuse(refuse("it was closed"));
    },
  };
}
