/** The least that a Node process can do for the same requests: `node:http`, ioredis, and the commands of the components. */
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Redis } from "ioredis";
import { readScript, writeScript } from "../../../dist/bindings/_redis.js";

const [host, port] = (process.env.REDIS as string).split(":") as [string, string];
const redis = new Redis({ host, port: Number(port) });
const digest = (lua: string) => createHash("sha1").update(lua).digest("hex");
const [reader, writer] = [digest(readScript), digest(writeScript)];
await redis.script("LOAD", readScript);
await redis.script("LOAD", writeScript);
let version = 0;

async function get(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const key = (request.url as string).slice("/v1.0/state/statestore/".length);
  const found = (await redis.evalsha(reader, 1, `bench||${key}`)) as (string | null)[];
  const [data, etag] = found;
  if (!data) return void response.writeHead(204).end();
  const headers = { "content-type": "application/json", etag: etag ?? "" };
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(data) }).end(data);
}

function save(request: IncomingMessage, response: ServerResponse): void {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", async () => {
    const [{ key, value }] = JSON.parse(body);
    const stored = JSON.stringify(value);
    version++;
    await redis.evalsha(writer, 1, `bench||${key}`, version, "", "json", "", stored);
    response.writeHead(204).end();
  });
}

/** An event with all that Dapr puts into one. */
function publish(request: IncomingMessage, response: ServerResponse): void {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", async () => {
    const event = JSON.stringify({
      data: JSON.parse(body),
      datacontenttype: request.headers["content-type"],
      id: randomUUID(),
      pubsubname: "pubsub",
      source: "bench",
      specversion: "1.0",
      time: new Date().toISOString(),
      topic: "orders",
      traceid: "",
      traceparent: "",
      tracestate: "",
      type: "com.dapr.event.sent",
    });
    await redis.xadd("orders", "MAXLEN", "~", 10_000, "*", "data", event);
    response.writeHead(204).end();
  });
}

const server = createServer((request, response) => {
  if (request.method === "GET") void get(request, response);
  else if ((request.url as string).startsWith("/v1.0/publish/")) publish(request, response);
  else save(request, response);
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
);
