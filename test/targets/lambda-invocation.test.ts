import { afterEach, expect, test, vi } from "vitest";
import { Invocation } from "../../targets/lambda/invocation.ts";

afterEach(() => void vi.useRealTimers());

const invocationOf = (remainingMs: number) =>
  new Invocation(
    { awsRequestId: "r", getRemainingTimeInMillis: () => remainingMs },
    () => undefined,
    undefined,
  );

test("a signal says before the timeout that time is over", () => {
  vi.useFakeTimers();
  const { signal } = invocationOf(1000);
  vi.advanceTimersByTime(700);
  expect(signal?.aborted).toBe(false);
  vi.advanceTimersByTime(200);
  expect(signal?.reason).toMatchObject({ name: "TimeoutError" });
});

test("an invocation that has ended leaves no timer, whenever its signal is asked for", async () => {
  vi.useFakeTimers();
  const early = invocationOf(1000);
  expect(early.signal?.aborted).toBe(false);
  expect(vi.getTimerCount()).toBe(1);
  await early.end();
  const late = invocationOf(1000);
  await late.end();
  expect(late.signal?.aborted).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
