import * as dynamodb from "../../bindings/aws/dynamodb.ts";
import type { Component } from "../../src/contracts/component.ts";
import { configurationError } from "../../src/errors.ts";

/** Components for names that nobody declared. */
export const defaults: Readonly<Record<string, () => Component>> = {
  statestore() {
    const table = process.env.PILLION_TABLE;
    if (!table)
      throw configurationError(
        `the default state store needs the variable PILLION_TABLE, ${snippet}`,
      );
    return dynamodb.state({ table, ttlAttributeName: "ttl" });
  },
};

const snippet = `the name of a DynamoDB table. In serverless.yml:

provider:
  environment:
    PILLION_TABLE: !Ref PillionTable
  iam:
    role:
      statements:
        - Effect: Allow
          Action: [dynamodb:GetItem, dynamodb:BatchGetItem, dynamodb:PutItem, dynamodb:DeleteItem]
          Resource: !GetAtt PillionTable.Arn
resources:
  Resources:
    PillionTable:
      Type: AWS::DynamoDB::Table
      Properties:
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: key, AttributeType: S }]
        KeySchema: [{ AttributeName: key, KeyType: HASH }]
        TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
`;
