/**
 * DynamoDB for a machine with nothing but Node: dynalite 4.0.0, with what it lacks put over it.
 * Added: TransactWriteItems (Put, Delete, Update, ConditionCheck; all or none, reasons in order with ALL_OLD, at
 * most 100 actions and 4 MB, no two on one item, ClientRequestToken), ReturnValuesOnConditionCheckFailure, and
 * UpdateTimeToLive and DescribeTimeToLive.
 * What it cannot do: it never deletes an expired item, verifies no signature, throttles nobody, has no
 * TransactionConflict (transactions wait for each other), no eventual consistency, no TransactGetItems, PartiQL,
 * streams or backups; a get between two items of a transaction may see the first written and not yet the second only
 * when they lie in two tables; tokens are kept until it stops. Everything is in memory.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { dynalite, Fault, type Store } from "./_dynalite-parts.ts";
import { createTransactions } from "./_dynalite-transactions.ts";

type Operation = (input: Record<string, unknown>) => unknown;

export async function startDynalite(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const { store, handle } = dynalite();
  const operations: Record<string, Operation> = {
    TransactWriteItems: createTransactions(store),
    ...timeToLive(store),
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, stop };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray());
    const operation = operations[String(request.headers["x-amz-target"]).split(".")[1] ?? ""];
    if (!operation) return handle(replay(request, body), response);
    try {
      reply(response, 200, (await operation(JSON.parse(body.toString()))) ?? {});
    } catch (error) {
      const {
        statusCode = 500,
        body: fault = { __type: "InternalServerError", message: String(error) },
      } = error as Fault;
      reply(response, statusCode, fault);
    }
  }

  async function stop(): Promise<void> {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  }
}

/** dynalite reads the request itself, so it gets one that has not been read. */
function replay({ method, url, headers }: IncomingMessage, body: Buffer): IncomingMessage {
  return Object.assign(Readable.from(body.length > 0 ? [body] : []), {
    method,
    url,
    headers,
  }) as unknown as IncomingMessage;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "content-type": "application/x-amz-json-1.0" })
    .end(JSON.stringify(body));
}

function timeToLive(store: Store): Record<string, Operation> {
  const attributes = new Map<string, string>();
  return {
    async UpdateTimeToLive({ TableName, TimeToLiveSpecification }) {
      await store.table(String(TableName));
      const { AttributeName, Enabled } = TimeToLiveSpecification as {
        AttributeName: string;
        Enabled: boolean;
      };
      if (Enabled === attributes.has(String(TableName))) {
        throw new Fault(
          "ValidationException",
          `TimeToLive is already ${Enabled ? "enabled" : "disabled"}`,
        );
      }
      if (Enabled) attributes.set(String(TableName), AttributeName);
      else attributes.delete(String(TableName));
      return { TimeToLiveSpecification };
    },
    async DescribeTimeToLive({ TableName }) {
      await store.table(String(TableName));
      const AttributeName = attributes.get(String(TableName));
      return {
        TimeToLiveDescription: {
          TimeToLiveStatus: AttributeName ? "ENABLED" : "DISABLED",
          AttributeName,
        },
      };
    },
  };
}
