import { ComponentError } from "../../src/errors.ts";
import { type Reply, readScript, type ScriptCall, writeScript } from "../_redis.ts";
import type { Client } from "./_redis-supply.ts";

export interface Script {
  readonly lua: string;
  /** What EVALSHA knows it by. */
  readonly digest: string;
}

export type Scripts = Readonly<Record<"read" | "write", Script>>;

export function createScripts(): Scripts {
  return { read: scriptOf(readScript), write: scriptOf(writeScript) };
}

export function scriptOf(lua: string): Script {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return { lua, digest: createHash("sha1").update(lua).digest("hex") };
}

/** Answers in bytes, or in text where there is nothing else. A server that does not know the script has run none of it. */
export function evaluate(
  client: Client,
  { lua, digest }: Script,
  { keys, args }: ScriptCall,
  form: "bytes" | "text",
): Promise<Reply> {
  const words: (string | Buffer)[] = [digest, String(keys.length)];
  for (const key of keys) words.push(key);
  for (const arg of args) words.push(toWord(arg));
  return send(client, "evalsha", words, form).catch((error: Error) => {
    if (!error.message.startsWith("NOSCRIPT")) throw error;
    words[0] = lua;
    return send(client, "eval", words, form);
  });
}

function send(
  client: Client,
  command: "eval" | "evalsha",
  words: (string | Buffer)[],
  form: "bytes" | "text",
) {
  // By the command's own method: ioredis loses the name that `call` is given when it makes pipelines by itself.
  const methods = client as unknown as Readonly<
    Record<typeof command | `${typeof command}Buffer`, (words: unknown[]) => Promise<Reply>>
  >;
  return methods[form === "text" ? command : (`${command}Buffer` as const)](words);
}

/** Text of more characters goes as bytes: ioredis joins a command's text, and text cannot be endless. */
const LONG = 2 ** 24;
/** What a server takes, by its default. */
const LARGEST = 2 ** 29;

function toWord(arg: string | Uint8Array): string | Buffer {
  if (typeof arg === "string" && arg.length < LONG) return arg;
  if (arg.length <= LARGEST) {
    // A copy: the caller may change its bytes before they are sent.
    const word = Buffer.from(arg as Uint8Array);
    if (word.length <= LARGEST) return word;
  }
  throw new ComponentError("invalid", "a value may have 512 MB in Redis: nothing was written");
}

/** Milliseconds that replicas have to acknowledge a write. */
export const WAIT_MS = 1000;

/**
 * Writes, and waits until every replica that is connected has it. A replica acknowledges what one connection wrote,
 * and whatever else is sent on that connection waits too.
 */
export async function evaluateStrongly(
  client: Client,
  script: Script,
  call: ScriptCall,
  component: string,
): Promise<Reply> {
  const [key = ""] = call.keys;
  const info = await beside(client, key, "info", ["replication"]);
  const replicas = Number(/^connected_slaves:(\d+)/m.exec(String(info))?.[1] ?? 0);
  const reply = await evaluate(client, script, call, "text");
  if (!Array.isArray(reply) || replicas === 0) return reply;
  const acknowledged = Number(await beside(client, key, "wait", [replicas, WAIT_MS]));
  if (acknowledged >= replicas) return reply;
  throw new ComponentError(
    "unavailable",
    `component ${component}: it was written, but only ${acknowledged} of ${replicas} replicas said within ${WAIT_MS} ms that they have it`,
  );
}

/** Runs a command that has no key on the server of `key`: in a cluster, a pipeline goes where its keys are. */
async function beside(client: Client, key: string, command: string, args: (string | number)[]) {
  const results = await client.pipeline().type(key).call(command, args).exec();
  const [error, reply] = results?.[1] ?? [];
  if (error) throw error;
  return reply;
}
