import type { Call, Host } from "../../src/contracts/host.ts";
import type { SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { bell } from "./_bell.ts";
import type { Claim, Ended, Queue } from "./_sqlite-queue-store.ts";

/** Milliseconds after which the file is looked at also where nobody told that it changed. */
const LOOK_MS = 2000;
/** As many messages are claimed ahead as are handled in so many milliseconds, and no more than so many. */
const AHEAD_MS = 50;
const AHEAD = 100;
/** Milliseconds after which what was claimed ahead and still waits for a handler is given back. */
const HOLD_MS = 500;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
/** Times that a stopping consumer tries to say what became of its messages. */
const LAST_TRIES = 3;

const back = { is: "back" } as const;

export interface Consumer extends Subscription {
  /** Something may have become due. */
  wake(): void;
}

export interface ConsumerOptions {
  readonly request: SubscribeRequest;
  readonly concurrency: number;
  readonly host: Host;
  readonly call: Call;
  /** Milliseconds that a handler has. */
  readonly processingTimeout: number;
}

/** Delivers what is due for a group. One transaction says what became of the messages in hand and claims the next. */
export function consume(queue: Queue, group: number, options: ConsumerOptions): Consumer {
  const { request, concurrency, host, processingTimeout } = options;
  const { clock } = host;
  // What is in hand is acknowledged also after the subscriber's invocation has ended.
  const call: Call = { ...options.call, signal: undefined, deadline: undefined };
  /** Claimed, and waiting for a handler. */
  let waiting: Claim[] = [];
  const running = new Set<Promise<void>>();
  /** What became of messages, and is not written yet. */
  let ended: Ended[] = [];
  /** Milliseconds between two ends of handlers, on average. */
  let pace = Number.POSITIVE_INFINITY;
  let stopping = false;
  const alarm = bell(clock);
  const working = work();
  return {
    wake: () => alarm.ring(),
    stop() {
      stopping = true;
      alarm.ring();
      return working;
    },
  };

  async function work(): Promise<void> {
    for (let failures = 0; !over(failures); ) {
      try {
        await alarm.wait(await turn());
        failures = 0;
      } catch {
        const pause = FIRST_PAUSE_MS * 2 ** Math.min(failures++, 10);
        await clock.sleep(Math.min(pause, LONGEST_PAUSE_MS));
      }
    }
  }

  function over(failures: number): boolean {
    if (!stopping || running.size > 0 || waiting.length > 0) return false;
    // What cannot be written comes again when its lease ends.
    return ended.length === 0 || failures >= LAST_TRIES;
  }

  /** Exchanges messages with the file; resolves to the milliseconds until there is more to do. */
  async function turn(): Promise<number> {
    giveBack();
    const wanted = stopping ? 0 : concurrency + ahead() - running.size - waiting.length;
    if (wanted <= 0 && ended.length === 0) return waiting.length > 0 ? HOLD_MS : LOOK_MS;
    const told = ended;
    ended = [];
    try {
      const { claims, due } = await queue.exchange(group, told, Math.max(0, wanted), call);
      waiting.push(...claims);
      fill();
      const held = waiting.length > 0 ? HOLD_MS : LOOK_MS;
      return claims.length >= wanted ? held : Math.min(held, due - clock.now());
    } catch (error) {
      ended = [...told, ...ended];
      throw error;
    }
  }

  function ahead(): number {
    return Math.floor(Math.min(AHEAD, AHEAD_MS / pace));
  }

  /** Returns what other consumers could handle at once, and what no longer has all of its time. */
  function giveBack(): void {
    const now = clock.now();
    const late = ({ claimed }: Claim) => now - claimed >= HOLD_MS;
    if (!stopping && !waiting.some(late)) return;
    for (const claim of waiting) ended.push({ claim, outcome: back });
    waiting = [];
    pace = Number.POSITIVE_INFINITY;
  }

  function fill(): void {
    while (!stopping && running.size < concurrency) {
      const claim = waiting.shift();
      if (!claim) return;
      const handling = handle(claim).then((outcome) => {
        running.delete(handling);
        if (outcome) ended.push({ claim, outcome });
        fill();
        alarm.ring();
      });
      running.add(handling);
    }
  }

  /** What became of a claim, or undefined when its lease is lost. */
  async function handle(claim: Claim): Promise<Ended["outcome"] | undefined> {
    try {
      if (claim.until - clock.now() < processingTimeout) return back;
      const message = await queue.read(group, claim, call);
      if (!message) return undefined;
      const begun = clock.now();
      const outcome = await request.deliver(message);
      const taken = (clock.now() - begun) / concurrency;
      pace = Number.isFinite(pace) ? pace * 0.8 + taken * 0.2 : taken;
      return outcome;
    } catch {
      // The file could not be read; nobody has seen the message.
      return back;
    }
  }
}
