import type { ChildProcess } from "node:child_process";

/** A target that a test or the demo started and will end. */
export interface Running {
  readonly url: string;
  readonly pid: number;
  output(): string;
  /** SIGKILL, as a crash. Resolves once the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, then SIGKILL after 5 s. Resolves once the process is gone. */
  stop(): Promise<void>;
}

export function ended(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill("SIGKILL"), 5000);
    child.once("exit", () => {
      clearTimeout(force);
      resolve();
    });
    child.kill(signal);
  });
}
