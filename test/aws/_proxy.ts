import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface FaultyProxy {
  readonly endpoint: string;
  /** Operations in the order in which they came. */
  readonly seen: string[];
  /** Carries the next request of this operation out, and drops the connection instead of answering. */
  loseNextAnswer(operation: string): void;
  /** Drops the connection instead of carrying out the next request of this operation. */
  loseNextRequest(operation: string): void;
  stop(): Promise<void>;
}

/** Stands between pillion and an emulator and cuts connections on demand. */
export async function startProxy(target: string): Promise<FaultyProxy> {
  const seen: string[] = [];
  const losing = new Map<string, "answer" | "request">();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const operation = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
    const loss = losing.get(operation);
    losing.delete(operation);
    seen.push(operation);
    if (loss === "request") return request.socket.destroy();
    const {
      host: _,
      connection: __,
      "content-length": ___,
      expect: ____,
      ...headers
    } = request.headers;
    const answer = await fetch(target, {
      method: "POST",
      headers: headers as Record<string, string>,
      body,
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (loss === "answer") return request.socket.destroy();
    response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.0" }).end(bytes);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    loseNextAnswer: (operation) => losing.set(operation, "answer"),
    loseNextRequest: (operation) => losing.set(operation, "request"),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
