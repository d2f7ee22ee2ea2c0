import { setTimeout as sleep } from "node:timers/promises";
import { startDynalite } from "./_dynalite.ts";
import { ministackPath, startMinistack } from "./_ministack.ts";

export { ministackPath };

export interface DynamoDB {
  readonly endpoint: string;
  /** Makes a table with the partition key `key` and resolves once it can be used; `ttl` names its expiry attribute. */
  createTable(name: string, options?: { ttl?: string; partitionKey?: string }): Promise<void>;
  /** One call of the JSON protocol, past pillion: what it answers, or throws as an error named after the fault. */
  raw<T = Record<string, unknown>>(operation: string, input: object): Promise<T>;
  stop(): Promise<void>;
}

export interface DynamoDBOptions {
  /** `npm` is dynalite with `_dynalite.ts` over it and needs only Node; `ministack` must be installed. */
  readonly emulator: "ministack" | "npm";
  /** Where tables are made; ministack keeps those of one region from clients of another. Default `us-east-1`. */
  readonly region?: string;
}

/** Starts an emulator with nothing in it on a free port of 127.0.0.1. */
export async function startDynamoDB({
  emulator,
  region = "us-east-1",
}: DynamoDBOptions): Promise<DynamoDB> {
  const { endpoint, stop } = await (emulator === "npm" ? startDynalite() : startMinistack());
  return { endpoint, createTable, raw, stop };

  async function createTable(
    name: string,
    { ttl, partitionKey = "key" }: { ttl?: string; partitionKey?: string } = {},
  ) {
    await raw("CreateTable", {
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: partitionKey, AttributeType: "S" }],
      KeySchema: [{ AttributeName: partitionKey, KeyType: "HASH" }],
    });
    await usable(name);
    if (ttl === undefined) return;
    await raw("UpdateTimeToLive", {
      TableName: name,
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true },
    });
  }

  async function usable(TableName: string) {
    for (;;) {
      const { Table } = await raw<{ Table: { TableStatus: string } }>("DescribeTable", {
        TableName,
      });
      if (Table.TableStatus === "ACTIVE") return;
      await sleep(5);
    }
  }

  async function raw<T>(operation: string, input: object): Promise<T> {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: headersFor(operation, region),
      body: JSON.stringify(input),
    });
    const answer = (await response.json()) as { __type?: string; message?: string };
    if (response.ok) return answer as T;
    const error = new Error(`${operation}: ${answer.__type}: ${answer.message}`);
    error.name = answer.__type?.split("#").at(-1) ?? "UnknownError";
    throw error;
  }
}

/** The emulators want a signature to be there and look no further. */
function headersFor(operation: string, region: string): Record<string, string> {
  return {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": `DynamoDB_20120810.${operation}`,
    "x-amz-date": "20260101T000000Z",
    authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/dynamodb/aws4_request, SignedHeaders=host, Signature=00`,
  };
}
