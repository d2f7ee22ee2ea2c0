import type { Fields } from "../../src/contracts/component.ts";

/** Where a service is and who calls it, as {@link scopeOf} reads it. */
const accountFields = {
  region: {
    type: "string",
    aliases: ["awsRegion"],
    description: "AWS region; without it AWS_REGION or AWS_DEFAULT_REGION.",
  },
  endpoint: {
    type: "string",
    description:
      "URL of the services where it is not the region's own; without it AWS_ENDPOINT_URL, or a service's own variable, such as AWS_ENDPOINT_URL_SQS.",
  },
  accessKey: {
    type: "string",
    sensitive: true,
    description: "Access key id; without it AWS_ACCESS_KEY_ID.",
  },
  secretKey: {
    type: "string",
    sensitive: true,
    description: "Secret access key; without it AWS_SECRET_ACCESS_KEY.",
  },
  sessionToken: {
    type: "string",
    sensitive: true,
    description:
      "Session token of temporary credentials; without it AWS_SESSION_TOKEN, where the keys are the environment's.",
  },
} as const satisfies Fields;

/** The fields of a component on AWS. Mark the call `@__PURE__`: a spread in its place would keep an unused component in a bundle. */
export function withAccount<const F extends Fields>(fields: F): typeof accountFields & F {
  return { ...accountFields, ...fields };
}
