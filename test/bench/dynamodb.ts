import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import * as component from "../../dist/bindings/aws/dynamodb.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { owned } from "../harness/process.ts";
import { cpuPer, interleave, type Row, timePer } from "./measure.ts";

const CALLS = 300;

export async function dynamodb(): Promise<Row[]> {
  const server = await startNullDynamoDB();
  try {
    return await measure(server.endpoint);
  } finally {
    server.stop();
  }
}

/** A process that answers every call at once, so that what is measured is the client. */
export async function startNullDynamoDB(): Promise<{ endpoint: string; stop(): void }> {
  const file = fileURLToPath(new URL("_null-dynamodb.ts", import.meta.url));
  const server = owned(spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] }));
  const [port] = await once(server.stdout, "data");
  return { endpoint: `http://127.0.0.1:${String(port).trim()}`, stop: () => server.kill() };
}

async function measure(endpoint: string): Promise<Row[]> {
  const settings = {
    table: "bench",
    region: "eu-central-1",
    endpoint,
    accessKey: "local",
    secretKey: "local",
  };
  await using runtime = createRuntime({
    id: "bench",
    components: { store: component.state(settings) },
    host: processHost("node"),
  });
  const state = runtime.blocks.state("store");
  const client = new DynamoDBClient({
    region: settings.region,
    endpoint,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const document = DynamoDBDocumentClient.from(client);
  const value = { id: "o-1", text: "x".repeat(900) };

  const ours = { get: () => state.get("k"), set: () => state.set("k", value) };
  const theirs = {
    get: async () => {
      const { Item } = await document.send(
        new GetCommand({ TableName: "bench", Key: { key: "bench||k" }, ConsistentRead: true }),
      );
      return JSON.parse(Item?.value);
    },
    set: () =>
      document.send(
        new PutCommand({
          TableName: "bench",
          Item: { key: "bench||k", value: JSON.stringify(value), etag: crypto.randomUUID() },
        }),
      ),
  };
  const rows: Row[] = [];
  for (const operation of ["get", "set"] as const) {
    const shared = { reference: "DocumentClient of the AWS SDK, on a server that answers at once" };
    await timePer(CALLS, ours[operation])();
    await timePer(CALLS, theirs[operation])();
    rows.push({
      what: `DynamoDB: state.${operation}, time`,
      unit: "µs",
      ...shared,
      ...(await interleave(timePer(CALLS, ours[operation]), timePer(CALLS, theirs[operation]), 9)),
      goal: { ratio: 1.15 },
    });
    rows.push({
      what: `DynamoDB: state.${operation}, CPU`,
      unit: "µs of CPU",
      ...shared,
      ...(await interleave(cpuPer(CALLS, ours[operation]), cpuPer(CALLS, theirs[operation]), 9)),
      goal: { ratio: 0.5 },
    });
  }
  client.destroy();
  return rows;
}
