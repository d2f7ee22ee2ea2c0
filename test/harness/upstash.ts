import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";

export interface UpstashFront {
  readonly url: string;
  readonly token: string;
  /** Requests that arrived, with a right token or a wrong one. */
  readonly requests: () => number;
  /** Answers only after so many milliseconds; what was asked is done at once. */
  delay(ms: number): void;
  /** Answers this in place of what Redis said, once it was asked. */
  answer(status: number, body: string): void;
  /** Does what is asked, and then breaks the connection without an answer. */
  drop(on: boolean): void;
  /** As if the network broke: closes what is open and takes nothing more, until `start`. */
  halt(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Command = readonly (string | number)[];
type Outcome = { readonly result: unknown } | { readonly error: string };

/** Our own front of a real Redis that speaks Upstash's REST: `/`, `/pipeline` and `/multi-exec`. */
export async function startUpstash(redisPort: number): Promise<UpstashFront> {
  const token = "front-token-AYNgAS2000";
  const redis = new Redis({ port: redisPort, host: "127.0.0.1" });
  redis.on("error", () => {});
  let [requests, delayed] = [0, 0];
  let dropping = false;
  let fixed: { status: number; body: string } | undefined;
  const server = createServer((request, response) => {
    requests++;
    serve(request, response).catch((error) => send(response, 500, { error: String(error) }));
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    requests: () => requests,
    delay: (ms) => void (delayed = ms),
    answer: (status, body) => void (fixed = status === 0 ? undefined : { status, body }),
    drop: (on) => void (dropping = on),
    halt,
    start: () => listen(port),
    async stop() {
      await halt();
      redis.disconnect();
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${token}`) {
      return send(response, 401, { error: "WRONGPASS invalid or missing auth token" });
    }
    const asked = JSON.parse(await textOf(request)) as Command & Command[];
    const base64 = request.headers["upstash-encoding"] === "base64";
    const outcomes = await run(request.url ?? "/", asked);
    if (delayed > 0) await new Promise((resolve) => setTimeout(resolve, delayed));
    if (dropping) return void response.destroy();
    if (fixed) return void response.writeHead(fixed.status).end(fixed.body);
    const encoded = outcomes.map((outcome) => encode(outcome, base64));
    if (request.url !== "/") return send(response, 200, encoded);
    const [only] = encoded;
    send(response, only && "error" in only ? 400 : 200, only);
  }

  async function run(path: string, asked: Command & Command[]): Promise<Outcome[]> {
    if (path === "/") return [await outcomeOf(call(redis, asked))];
    const batch = path === "/multi-exec" ? redis.multi() : redis.pipeline();
    for (const [name, ...args] of asked) batch.callBuffer(String(name), args);
    const done = (await batch.exec()) ?? [];
    return done.map(([error, result]) => (error ? { error: error.message } : { result }));
  }

  function halt(): Promise<void> {
    server.closeAllConnections();
    return new Promise((resolve) => void server.close(() => resolve()));
  }
}

function call(redis: Redis, [name, ...args]: Command): Promise<unknown> {
  return redis.callBuffer(String(name), args);
}

function outcomeOf(work: Promise<unknown>): Promise<Outcome> {
  return work.then(
    (result) => ({ result }),
    (error: Error) => ({ error: error.message }),
  );
}

/** Text is base64 where the client asked for it; otherwise bytes that are no text are lost, as in JSON they must be. */
function encode(outcome: Outcome, base64: boolean): Outcome {
  if ("error" in outcome) return outcome;
  return { result: encoded(outcome.result) };

  function encoded(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(encoded);
    if (!Buffer.isBuffer(value)) return value;
    return value.toString(base64 ? "base64" : "utf8");
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
