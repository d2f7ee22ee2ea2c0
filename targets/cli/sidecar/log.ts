import { appendFileSync } from "node:fs";
import { hostname } from "node:os";

/** From what is rarely wanted to what ends the process. */
export const levels = { debug: 0, info: 1, warning: 2, error: 3, fatal: 4 } as const;

export type LogLevel = keyof typeof levels;

export type LogFields = Readonly<Record<string, string | number>>;

/** Lines in daprd's two formats. No line may hold a secret or a value. */
export interface Log {
  enabled(level: LogLevel): boolean;
  write(level: LogLevel, message: string, fields?: LogFields): void;
  /** The same log under another of daprd's scopes. */
  scoped(scope: string): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly json: boolean;
  readonly id: string;
  readonly version: string;
  /** Where a line goes, with its end. */
  readonly to: (line: string) => void;
}

export function createLog({ level, json, id, version, to }: LogOptions): Log {
  const instance = hostname();
  const format = json ? toJson : toText;
  return scoped("dapr.runtime");

  function scoped(scope: string): Log {
    const common = { app_id: id, instance, scope, type: "log", ver: version };
    const enabled = (wanted: LogLevel) => levels[wanted] >= levels[level];
    return {
      enabled,
      scoped,
      write(wanted, message, fields) {
        if (!enabled(wanted)) return;
        to(format(new Date().toISOString(), wanted, message, { ...common, ...fields }));
      },
    };
  }
}

function toJson(time: string, level: LogLevel, msg: string, fields: LogFields): string {
  const line: LogFields = { ...fields, level, msg, time };
  const names = Object.keys(line).sort();
  return `${JSON.stringify(Object.fromEntries(names.map((name) => [name, line[name]])))}\n`;
}

function toText(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.keys(fields)
    .sort()
    .map((name) => ` ${name}=${bare(String(fields[name]))}`);
  return `time=${quoted(time)} level=${level} msg=${bare(message)}${rest.join("")}\n`;
}

/** Without quotes where it can be read back, as an empty one can. */
function bare(text: string): string {
  return /^[\w./@^+-]*$/.test(text) ? text : quoted(text);
}

/** JSON's escapes are those of the format, and keep a line one line. */
const quoted = (text: string): string => JSON.stringify(text);

/** Standard output, or the end of a file. Whoever reads the log may go away: the process stays. */
export function logTo(file: string): (line: string) => void {
  if (file !== "") {
    appendFileSync(file, "");
    return (line) => {
      try {
        appendFileSync(file, line);
      } catch {
        // A full disk ends the log, and not the process.
      }
    };
  }
  process.stdout.on("error", () => {});
  return (line) => void process.stdout.write(line);
}
