/** Answers every DynamoDB call at once and with the same item, so that what is measured is the client. Prints its port. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const item = {
  key: { S: "bench||k" },
  value: { S: JSON.stringify({ id: "o-1", text: "x".repeat(900) }) },
  etag: { S: "1f" },
};
const answers: Record<string, string> = { GetItem: JSON.stringify({ Item: item }), PutItem: "{}" };
const server = createServer((request, response) => {
  const operation = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
  request.resume().on("end", () => {
    response
      .writeHead(200, { "content-type": "application/x-amz-json-1.0" })
      .end(answers[operation]);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
