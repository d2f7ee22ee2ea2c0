import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { newFolder } from "./folder.ts";
import { freePort, listening, runnable } from "./machine.ts";
import { ended, launched } from "./process.ts";

export interface Mosquitto {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  /** SIGTERM: it writes sessions and messages to its folder before it ends. */
  halt(): Promise<void>;
  /** On the same port, with what is in its folder. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

function path(): string | undefined {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"]
    .map((folder) => join(folder, "mosquitto"))
    .find(runnable);
}

/** Why it cannot run here; never a reason on CI, where its absence must fail. */
export function absentMosquitto(): string | undefined {
  if (path() || process.env.CI) return undefined;
  return "mosquitto is not on the PATH: apt-get install mosquitto";
}

/** Starts a broker on a free port of 127.0.0.1; `extra` are lines of its configuration. */
export async function startMosquitto(extra: readonly string[] = []): Promise<Mosquitto> {
  const program = path();
  if (!program) throw new Error("no mosquitto to start");
  const folder = newFolder("mosquitto");
  let port = await freePort();
  let child = await launch(program, folder, port, extra).catch(async () => {
    // Somebody else may have taken the port in between: once more, on another one.
    port = await freePort();
    return launch(program, folder, port, extra);
  });
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    halt: () => ended(child, "SIGTERM"),
    async start() {
      child = await launch(program, folder, port, extra);
    },
    stop: () => ended(child, "SIGKILL"),
  };
}

async function launch(
  program: string,
  folder: string,
  port: number,
  extra: readonly string[],
): Promise<ChildProcess> {
  const file = join(folder, "mosquitto.conf");
  const own = process.getuid?.() === 0 ? ["user root"] : [];
  const anonymous = extra.some((line) => line.startsWith("allow_anonymous"))
    ? []
    : ["allow_anonymous true"];
  const lines = [`listener ${port} 127.0.0.1`, ...anonymous, ...own, "max_queued_messages 0"];
  const lasting = ["persistence true", `persistence_location ${folder}/`];
  writeFileSync(file, `${[...lines, ...lasting, ...extra].join("\n")}\n`);
  return launched(program, ["-c", file], listening(port));
}
