import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What a sidecar has promised and does not do yet. */
export interface Readiness {
  /** Names of what is waited for. */
  waitingFor(): readonly string[];
  done(name: string): void;
  waitFor(name: string): void;
}

export function createReadiness(names: readonly string[]): Readiness {
  const waiting = new Set(names);
  return {
    waitingFor: () => [...waiting],
    done: (name) => void waiting.delete(name),
    waitFor: (name) => void waiting.add(name),
  };
}

const PROBE_MS = 50;

/** Resolves once the app accepts connections, however long that takes; rejects once `signal` is aborted. */
export async function appListens(
  { port, address }: { readonly port: number; readonly address: string },
  signal: AbortSignal,
): Promise<void> {
  while (!(await accepts(port, address))) await sleep(PROBE_MS, undefined, { signal });
}

function accepts(port: number, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket
      .setTimeout(1000, () => settle(false))
      .once("connect", () => settle(true))
      .once("error", () => settle(false));
  });
}
