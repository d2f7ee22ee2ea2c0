import { expect, test } from "vitest";
import { createRunning, HandlerCall } from "../../src/blocks/pubsub/running.ts";
import type { Clock } from "../../src/contracts/host.ts";
import { virtualClock } from "../../src/testing.ts";

const nobody = { signal: undefined, deadline: undefined, trace: {}, waitUntil: () => undefined };
const event = { id: "1", specversion: "1.0", source: "s", type: "t", data: 1 };
const never = () => new Promise<never>(() => undefined);

/** A clock that says how often it slept, and how many sleep. */
function counting() {
  const clock = virtualClock(0);
  const count = { slept: 0, sleeping: 0 };
  const counted: Clock = {
    now: clock.now,
    async sleep(ms, signal) {
      count.slept++;
      count.sleeping++;
      await clock.sleep(ms, signal).finally(() => count.sleeping--);
    },
  };
  return { clock: counted, count, advance };

  /** What sleeps anew sleeps on. */
  async function advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(left, 100));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }
}

/** What a call's handler came to, as far as it has. */
function begun(running: ReturnType<typeof createRunning>, limit: number | undefined) {
  const call = new HandlerCall(nobody, event);
  running.add(call, limit);
  const told: { error?: unknown; call: HandlerCall } = { call };
  call.settled(never()).catch((error: unknown) => {
    told.error = error;
  });
  return told;
}

test("each handler is ended at its own time, whichever began first", async () => {
  const { clock, advance } = counting();
  const running = createRunning(clock, nobody);
  const [long, short, endless] = [
    begun(running, 60_000),
    begun(running, 300),
    begun(running, undefined),
  ];
  const { signal } = short.call;
  await advance(200);
  expect(short.error).toBeUndefined();
  await advance(200);
  expect(short.error).toMatchObject({
    name: "TimeoutError",
    message: "the handler did not end within 300 ms",
  });
  expect(signal.reason).toBe(short.error);
  running.remove(short.call);
  await advance(59_000);
  expect(long.error).toBeUndefined();
  await advance(1000);
  expect(long.error).toMatchObject({ message: "the handler did not end within 60000 ms" });
  running.remove(long.call);
  await advance(600_000);
  expect(endless.error).toBeUndefined();
  expect(endless.call.signal.aborted).toBe(false);
});

test("the clock sleeps once for all handlers, and not a second longer than the last of them", async () => {
  const { clock, count, advance } = counting();
  const running = createRunning(clock, nobody);
  for (let n = 0; n < 100; n++) running.remove(begun(running, 60_000).call);
  const last = begun(running, 60_000);
  expect(count).toEqual({ slept: 1, sleeping: 1 });
  await advance(5000);
  expect(count.sleeping).toBe(1);
  running.remove(last.call);
  await advance(1000);
  expect(count.sleeping).toBe(0);
  expect(last.error).toBeUndefined();
});

test("a message after a quiet time is watched again", async () => {
  const { clock, advance } = counting();
  const running = createRunning(clock, nobody);
  running.remove(begun(running, 500).call);
  await advance(10_000);
  const late = begun(running, 500);
  await advance(500);
  expect(late.error).toMatchObject({ name: "TimeoutError" });
});

test("the end of the call they belong to ends all, also for who asks for the signal later", async () => {
  const { clock } = counting();
  const end = new AbortController();
  const running = createRunning(clock, { ...nobody, signal: end.signal });
  const [one, other] = [begun(running, 500), begun(running, undefined)];
  const removed = begun(running, 500);
  running.remove(removed.call);
  const reason = new Error("the process ends");
  end.abort(reason);
  await Promise.resolve();
  expect([one.error, other.error]).toEqual([reason, reason]);
  expect(one.call.signal.reason).toBe(reason);
  expect(removed.call.signal.aborted).toBe(false);
  expect(removed.error).toBeUndefined();
});

test("an end before there is an answer is not forgotten", async () => {
  const call = new HandlerCall(nobody, event);
  const reason = new Error("lost");
  call.end(reason);
  await expect(call.settled(never())).rejects.toBe(reason);
});
