import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Open connections by server: those that never sent anything are not idle to Node. */
const connections = new WeakMap<Server, Set<Socket>>();

/** Lets `drain` close what a client opened and did not use. */
export function remember(server: Server): Server {
  const open = new Set<Socket>();
  connections.set(server, open);
  return server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
}

/** How long a connection without a request may still send one: a client that is about to send cannot know of the end. */
const IDLE_MS = 100;

/**
 * Takes no new connection, lets the requests under way be answered, and resolves to whether all were within `ms`;
 * what then is left is cut off.
 */
export async function drain(servers: readonly Server[], ms: number): Promise<boolean> {
  const began = performance.now();
  const closed = Promise.all(servers.map(closing));
  let cut = false;
  const sweep = setInterval(() => {
    const passed = performance.now() - began;
    if (passed >= IDLE_MS) for (const server of servers) closeIdle(server);
    if (passed < ms) return;
    cut = true;
    for (const server of servers) server.closeAllConnections();
  }, 20);
  await closed;
  clearInterval(sweep);
  return !cut;
}

function closeIdle(server: Server): void {
  server.closeIdleConnections();
  for (const socket of connections.get(server) ?? []) if (socket.bytesRead === 0) socket.destroy();
}

/** `close` of Node's HTTP server would also end idle connections at once; that of its sockets does not. */
function closing(server: Server): Promise<void> {
  const { Server: NetServer } = process.getBuiltinModule("node:net");
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
}
