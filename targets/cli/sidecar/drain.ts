import type { Server } from "node:http";

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
    if (passed >= IDLE_MS) for (const server of servers) server.closeIdleConnections();
    if (passed < ms) return;
    cut = true;
    for (const server of servers) server.closeAllConnections();
  }, 20);
  await closed;
  clearInterval(sweep);
  return !cut;
}

/** `close` of Node's HTTP server would also end idle connections at once; that of its sockets does not. */
function closing(server: Server): Promise<void> {
  const { Server: NetServer } = process.getBuiltinModule("node:net");
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
}
