import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createWatch, inTime } from "../../bindings/node/_deadline.ts";

const forEver = () => new Promise<never>(() => undefined);
const call = (signal?: AbortSignal, deadline?: number) => ({ signal, deadline });
const late = () => "it took too long";
const watch = createWatch();
const watched: typeof inTime = (work, call, limitMs, explain) =>
  watch.inTime(work, call, performance.now() + limitMs, explain);

describe.each([
  ["with a timer for each", inTime],
  ["with one timer for all", watched],
])("work that is waited for, %s,", (_name, within) => {
  test("settles as it does", async () => {
    expect(await within(sleep(1, "done"), call(), 10_000, late)).toBe("done");
    const failing = within(Promise.reject(new Error("no")), call(), 10_000, late);
    await expect(failing).rejects.toThrow("no");
  });

  test("ends with its limit, or the time of the call", async () => {
    const wanted = { kind: "unavailable", message: "it took too long" };
    await expect(within(forEver(), call(), 20, late)).rejects.toMatchObject(wanted);
    const soon = call(undefined, Date.now() + 20);
    await expect(within(forEver(), soon, 60_000, late)).rejects.toMatchObject(wanted);
  });

  test("ends with its caller, and the caller's reason", async () => {
    const caller = new AbortController();
    const reason = new Error("left");
    const waiting = within(forEver(), call(caller.signal), 60_000, late);
    const other = within(sleep(60, "done"), call(), 60_000, late);
    caller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(within(forEver(), call(caller.signal), 60_000, late)).rejects.toBe(reason);
    expect(await other).toBe("done");
  });

  test("settles each by itself, where there are many", async () => {
    const many = Array.from({ length: 100 }, (_, n) =>
      within(sleep(n % 7, n), call(), 10_000, late),
    );
    expect(await Promise.all(many)).toEqual(many.map((_, n) => n));
  });
});
