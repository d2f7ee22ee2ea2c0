import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";

const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const http = new Hono();
http.get("/get/:times", async (c) => {
  const key = { key: "bench||k" };
  await client.send(new GetCommand({ TableName: "bench", Key: key, ConsistentRead: true }));
  return c.text("done");
});

export const handler = handle(http);
