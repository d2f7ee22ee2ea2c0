const LONGEST = 80;
const FIFO = ".fifo";

/**
 * Dapr's name of a topic or queue: letters, digits, `_` and `-` of the one given, at most 80, and `.fifo` at its end.
 * What else is in it is dropped, so `a.b` and `ab` are one.
 */
export function entityName(name: string, fifo: boolean): string {
  const end = fifo ? FIFO : "";
  const stem = fifo && name.endsWith(FIFO) ? name.slice(0, -FIFO.length) : name;
  return stem.replace(/[^\w-]/g, "").slice(0, LONGEST - end.length) + end;
}

/** The last part of an ARN. */
export function nameInArn(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}

/** The part of AWS that a region is in, as ARNs spell it. */
export function partitionOf(region: string): string {
  const [, iso] = /^us-(isob?)-/.exec(region) ?? [];
  if (iso) return iso === "iso" ? "aws-iso" : "aws-iso-b";
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** What to paste where an entity is missing; `forbidden` says that a setting kept it from being made. */
export function howToDeclare(
  type: "SNS::Topic" | "SQS::Queue",
  name: string,
  fifo: boolean,
  forbidden: boolean,
): string {
  const kind = type.slice("SNS::".length);
  const lines = [
    `the ${kind.toLowerCase()} ${name} does not exist${forbidden ? " and disableEntityManagement is set" : ""}: in serverless.yml, or without the first line in a CloudFormation template, declare`,
    "resources:",
    "  Resources:",
    `    ${name.replace(/[^A-Za-z0-9]/g, "")}${kind}:`,
    `      Type: AWS::${type}`,
    "      Properties:",
    `        ${kind}Name: ${name}`,
  ];
  if (fifo) lines.push(`        Fifo${kind}: true`, "        ContentBasedDeduplication: true");
  return lines.join("\n");
}
