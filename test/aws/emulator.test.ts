import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DynamoDB } from "../harness/dynamodb.ts";
import { absent, emulators, startUnlessAbsent } from "./_beds.ts";

/** What the tests of the store rest on must hold in both emulators, as it does on AWS. */
for (const emulator of emulators) {
  const reason = absent(emulator);
  describe.skipIf(reason)(reason ? `${emulator} (skipped: ${reason})` : emulator, () => {
    let server: DynamoDB;
    beforeAll(async () => {
      server = (await startUnlessAbsent(emulator)) as DynamoDB;
      await server.createTable("items", { ttl: "expires" });
    });
    afterAll(() => server.stop());

    const put = (key: string, value: string, condition: object = {}) => ({
      TableName: "items",
      Item: { key: { S: key }, value: { S: value } },
      ...condition,
    });
    const when = (value: string) => ({
      ConditionExpression: "#v = :v",
      ExpressionAttributeNames: { "#v": "value" },
      ExpressionAttributeValues: { ":v": { S: value } },
    });
    const send = (TransactItems: object[], ClientRequestToken?: string) =>
      answer("TransactWriteItems", { TransactItems, ClientRequestToken });
    const stored = async (key: string) =>
      (
        await server.raw<{ Item?: { value: { S: string } } }>("GetItem", {
          TableName: "items",
          Key: { key: { S: key } },
        })
      ).Item?.value.S;

    /** The whole answer, an error's too. */
    async function answer(operation: string, input: object): Promise<Record<string, unknown>> {
      const response = await fetch(server.endpoint, {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": `DynamoDB_20120810.${operation}`,
          "x-amz-date": "20260101T000000Z",
          authorization:
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
        },
        body: JSON.stringify(input),
      });
      const { __type, ...body } = (await response.json()) as Record<string, unknown>;
      return response.ok ? body : { fault: String(__type).split("#").at(-1), ...body };
    }

    test("a failed condition answers the stored item only when asked to", async () => {
      await server.raw("PutItem", put("a", "1"));
      const all = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
      const failed = { fault: "ConditionalCheckFailedException" };
      const item = { key: { S: "a" }, value: { S: "1" } };
      expect(await answer("PutItem", put("a", "2", { ...when("0"), ...all }))).toMatchObject({
        ...failed,
        Item: item,
      });
      expect(await answer("PutItem", put("a", "2", when("0")))).not.toHaveProperty("Item");
      const remove = { TableName: "items", Key: { key: { S: "a" } }, ...when("0"), ...all };
      expect(await answer("DeleteItem", remove)).toMatchObject({ ...failed, Item: item });
      expect(
        await answer("PutItem", put("none", "2", { ...when("0"), ...all })),
      ).not.toHaveProperty("Item");
      expect(await stored("a")).toBe("1");
    });

    test("a transaction writes all", async () => {
      await server.raw("PutItem", put("gone", "1"));
      await server.raw("PutItem", put("checked", "1"));
      const check = { TableName: "items", Key: { key: { S: "checked" } }, ...when("1") };
      const update = {
        TableName: "items",
        Key: { key: { S: "updated" } },
        UpdateExpression: "SET #v = :v",
        ExpressionAttributeNames: { "#v": "value" },
        ExpressionAttributeValues: { ":v": { S: "3" } },
      };
      const remove = { TableName: "items", Key: { key: { S: "gone" } }, ...when("1") };
      expect(
        await send([
          { Put: put("made", "2") },
          { Delete: remove },
          { Update: update },
          { ConditionCheck: check },
        ]),
      ).toEqual({});
      expect(await Promise.all(["made", "gone", "updated", "checked"].map(stored))).toEqual([
        "2",
        undefined,
        "3",
        "1",
      ]);
    });

    test("a cancelled transaction writes nothing and has its reasons in order", async () => {
      await server.raw("PutItem", put("there", "1"));
      const all = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
      const cancelled = await send([
        { Put: put("before", "2") },
        { Put: put("there", "2", { ...when("0"), ...all }) },
        { Put: put("after", "2") },
      ]);
      expect(cancelled).toMatchObject({
        fault: "TransactionCanceledException",
        CancellationReasons: [
          { Code: "None" },
          { Code: "ConditionalCheckFailed", Item: { value: { S: "1" } } },
          { Code: "None" },
        ],
      });
      expect(await Promise.all(["before", "there", "after"].map(stored))).toEqual([
        undefined,
        "1",
        undefined,
      ]);
    });

    test("100 actions are taken; 101, and two on one item, are not", async () => {
      const puts = (count: number) =>
        Array.from({ length: count }, (_, index) => ({ Put: put(`many${index}`, String(count)) }));
      expect(await send(puts(100))).toEqual({});
      expect(await send(puts(101))).toMatchObject({ fault: "ValidationException" });
      expect(
        await send([
          { Put: put("many1", "x") },
          { Delete: { TableName: "items", Key: { key: { S: "many1" } } } },
        ]),
      ).toMatchObject({ fault: "ValidationException" });
      expect(await stored("many1")).toBe("100");
    });

    test("a token applies once, and not with other parameters", async () => {
      await server.raw("PutItem", put("token", "1"));
      const action = { Put: put("token", "2", when("1")) };
      expect(await send([action], "token-1")).toEqual({});
      expect(await send([action], "token-1")).toEqual({});
      expect(await send([{ Put: put("token", "3") }], "token-1")).toMatchObject({
        fault: "IdempotentParameterMismatchException",
      });
      expect(await send([action], "token-2")).toMatchObject({
        fault: "TransactionCanceledException",
      });
      expect(await stored("token")).toBe("2");
    });

    test("transactions and writes that race lose nothing", async () => {
      await server.raw("PutItem", put("race", "0"));
      const attempts = Array.from({ length: 10 }, (_, index) => {
        const condition = when("0");
        return index % 2 === 0
          ? send([
              { Put: put("race", String(index + 1), condition) },
              { Put: put(`beside${index}`, "1") },
            ])
          : answer("PutItem", put("race", String(index + 1), condition));
      });
      const outcomes = await Promise.all(attempts);
      const won = outcomes.findIndex(({ fault }) => fault === undefined);
      expect(outcomes.filter(({ fault }) => fault === undefined).length).toBe(1);
      expect(await stored("race")).toBe(String(won + 1));
    });

    test("a time to live is described as it was set", async () => {
      const described = await server.raw<Record<string, unknown>>("DescribeTimeToLive", {
        TableName: "items",
      });
      expect(described).toEqual({
        TimeToLiveDescription: { TimeToLiveStatus: "ENABLED", AttributeName: "expires" },
      });
    });

    test("the tables are listed, and a missing one is not found", async () => {
      expect(await server.raw("ListTables", {})).toMatchObject({ TableNames: ["items"] });
      expect(
        await answer("TransactWriteItems", {
          TransactItems: [{ Put: { ...put("a", "1"), TableName: "nowhere" } }],
        }),
      ).toMatchObject({ fault: "ResourceNotFoundException" });
    });
  });
}
