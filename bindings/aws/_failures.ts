import { fault, faultOf, said } from "./_fault.ts";
import { ServiceFailure } from "./_service.ts";
import type { Table } from "./_table.ts";

/** The component's finding for anything that a transport throws but a condition that did not hold. */
export function explain(error: unknown, table: Table): unknown {
  if (!ServiceFailure.is(error)) return error;
  const { component, layout } = table;
  const config = (problem: string) => fault("config", component, problem, error);
  if (error.name === "ResourceNotFoundException") {
    return config(`the table ${table.name} (setting table) does not exist: ${howToDeclare(table)}`);
  }
  if (isConflict(error)) return fault("unavailable", component, said("DynamoDB", error), error);
  if (
    error.name === "ValidationException" &&
    /schema|missing the key|type mismatch for key/i.test(error.message)
  ) {
    return config(
      `the key of table ${table.name} is not a string attribute ${layout.key} alone: correct the setting partitionKey, or the table (${said("DynamoDB", error)})`,
    );
  }
  return faultOf(error, component, "DynamoDB", `table ${table.name}`);
}

export function isConditionFailure(error: unknown): error is ServiceFailure {
  return ServiceFailure.is(error) && error.name === "ConditionalCheckFailedException";
}

/** A write that met a transaction on the same item. Neither was wrong: it may be made again. */
export function isConflict(error: unknown): boolean {
  return ServiceFailure.is(error) && error.name === "TransactionConflictException";
}

function howToDeclare({ component, name, layout: { key, ttl } }: Table): string {
  const logicalId = `${component.replace(/[^A-Za-z0-9]/g, "").replace(/^./, (first) => first.toUpperCase())}Table`;
  const lines = [
    "in serverless.yml, or without the first line in a CloudFormation template, declare",
    "resources:",
    "  Resources:",
    `    ${logicalId}:`,
    "      Type: AWS::DynamoDB::Table",
    "      Properties:",
    `        TableName: ${name}`,
    "        BillingMode: PAY_PER_REQUEST",
    "        AttributeDefinitions:",
    `          - { AttributeName: ${key}, AttributeType: S }`,
    "        KeySchema:",
    `          - { AttributeName: ${key}, KeyType: HASH }`,
  ];
  if (ttl !== undefined) {
    lines.push(`        TimeToLiveSpecification: { AttributeName: ${ttl}, Enabled: true }`);
  }
  return lines.join("\n");
}
