import { createServer } from "node:http";
import { Hono } from "hono";
import { routes } from "./routes.ts";

const http = routes(new Hono());
const server = createServer(async (request, response) => {
  const headers = new Headers(Object.entries(request.headers) as [string, string][]);
  const answer = await http.fetch(
    new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method ?? "GET",
      headers,
    }),
  );
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
);
