import { ComponentError } from "../../src/errors.ts";
import { isTransient, ServiceFailure } from "./_service.ts";
import type { Table } from "./_table.ts";

/** The component's finding for anything that a transport throws but a condition that did not hold. */
export function explain(error: unknown, table: Table): unknown {
  if (!ServiceFailure.is(error)) return error;
  const { name, status } = error;
  const message = withoutAccount(error.message);
  const { component, layout } = table;
  const said = `DynamoDB answered ${name}: ${message}`;
  if (name === "ResourceNotFoundException") {
    return config(`the table ${table.name} (setting table) does not exist: ${howToDeclare(table)}`);
  }
  if (isTransient(error) || isConflict(error)) {
    return fault("unavailable", status === undefined ? message : said);
  }
  if (
    name === "ValidationException" &&
    /schema|missing the key|type mismatch for key/i.test(message)
  ) {
    return config(
      `the key of table ${table.name} is not a string attribute ${layout.key} alone: correct the setting partitionKey, or the table (${said})`,
    );
  }
  if (name.startsWith("AccessDenied")) {
    return config(`AWS refuses access to table ${table.name}: ${message}`);
  }
  if (status === 401 || status === 403 || credentialErrors.has(name)) {
    return config(
      `AWS does not accept the credentials (settings accessKey, secretKey and sessionToken, or the environment): ${said}`,
    );
  }
  return fault("invalid", said);

  function config(problem: string): ComponentError {
    return fault("config", problem);
  }

  function fault(kind: "config" | "unavailable" | "invalid", problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`, { cause: error });
  }
}

/** The text may reach whoever called the app. Account and role are the operator's to know, and stand in the cause. */
function withoutAccount(message: string): string {
  return message.replace(/\barn:[^\s,"]+/g, "(an ARN)").replace(/\b\d{12}\b/g, "(an account)");
}

const credentialErrors = new Set([
  "CredentialsProviderError",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "RequestExpired",
  "RequestTimeTooSkewed",
  "UnrecognizedClientException",
]);

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
