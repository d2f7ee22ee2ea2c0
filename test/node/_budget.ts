import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Publisher } from "../../src/blocks/pubsub/api.ts";
import { root } from "../harness/folder.ts";
import { ended, owned } from "../harness/process.ts";

/** What consumes the message that nobody survives. */
export interface Poisoned {
  readonly type: string;
  readonly options: object;
  readonly topic: string;
  /** The dead-letter topic. */
  readonly dead: string;
  /** Of the subscription. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export const MAX_RETRIES = 3;
const PATIENCE_MS = 60_000;

/**
 * That one message, which fails in one process and ends the next, is handed to handlers `MAX_RETRIES` times after the first
 * and no more, whichever process has it, then buried once; and that the message behind it is handled.
 */
export async function expectBudget(what: Poisoned, publisher: Publisher): Promise<void> {
  const told: string[] = [];
  const begun = () => told.filter((line) => line.startsWith("+"));
  let child = await start(what, 0, told);
  await publisher.publish(what.topic, "poison");
  const end = Date.now() + PATIENCE_MS;
  while (!told.includes("-") && Date.now() < end) {
    await sleep(20);
    if (child.signalCode !== null) child = await start(what, begun().length, told);
  }
  await publisher.publish(what.topic, 1);
  await expect.poll(() => told, { timeout: PATIENCE_MS }).toContain("=1");
  await ended(child, "SIGTERM");
  expect(told.filter((line) => line !== "=1")).toEqual([
    ...Array.from({ length: MAX_RETRIES + 1 }, (_, index) => `+${index + 1}`),
    "-",
  ]);
}

async function start(what: Poisoned, begun: number, told: string[]): Promise<ChildProcess> {
  const script = join(root, "test/node/_poison.ts");
  const child = owned(
    spawn(process.execPath, [script, JSON.stringify({ ...what, begun })], {
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line === "ready") resolve();
      else told.push(line);
    });
    // It may be killed by its message before it is ready.
    child.once("close", (_code, signal) => {
      if (signal) resolve();
      else reject(new Error(`the process ended: ${errors}`));
    });
  });
  return child;
}
