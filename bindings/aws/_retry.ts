import type { Call, Host } from "../../src/contracts/host.ts";

/** As the AWS SDK does for DynamoDB: 4 attempts, 25 ms doubling, full jitter. */
const ATTEMPTS = 4;
const BASE_MS = 25;

/** Calls `attempt` until it resolves, `again` says no to its error, or attempts or the invocation's time run out. */
export async function retrying<T>(
  host: Host,
  call: Call,
  again: (error: unknown) => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let made = 1; ; made++) {
    try {
      return await attempt();
    } catch (error) {
      if (made === ATTEMPTS || !again(error) || !(await pause(host, call, made))) throw error;
    }
  }
}

/** Waits before the next attempt; false, at once, where the invocation would have ended by then. */
export async function pause({ clock, random }: Host, call: Call, made: number): Promise<boolean> {
  const ms = random.number() * BASE_MS * 2 ** (made - 1);
  if (call.deadline !== undefined && clock.now() + ms >= call.deadline) return false;
  await clock.sleep(ms, call.signal);
  return true;
}
