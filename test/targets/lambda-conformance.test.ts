import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { absent, emulators } from "../aws/_beds.ts";
import { remoteRunner, stateSuite } from "../conformance/suite.ts";
import { type DynamoDB, startDynamoDB } from "../harness/dynamodb.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type Lambda, startLambda } from "../harness/lambda.ts";
import { bundleNode } from "../harness/node.ts";
import { withoutNative } from "./_native.ts";

const features = ["ETAG", "TRANSACTIONAL", "TTL", "LIST"];

// The component inside the bundled shim, under AWS's runtime client, in front of each emulator.
for (const emulator of emulators) {
  for (const native of [false, true]) {
    const title = `state.aws.dynamodb in a function, ${native ? "native" : "stand-in"} client, ${emulator}`;
    const reason = absent(emulator) ?? (native ? withoutNative() : undefined);
    if (reason) {
      test.skip(`${title} (skipped: ${reason})`, () => undefined);
      continue;
    }
    describe(title, () => {
      let dynamodb: DynamoDB;
      let lambda: Lambda;
      beforeAll(async () => {
        dynamodb = await startDynamoDB({ emulator });
        await dynamodb.createTable("conformance", { ttl: "ttl" });
        const dir = newFolder("lambda");
        await bundleNode(
          `${root}/test/targets/_conformance-function.ts`,
          join(dir, "function.mjs"),
        );
        lambda = await startLambda({
          dir,
          handler: "function.handler",
          native,
          env: {
            PILLION_TABLE: "conformance",
            AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
            AWS_REGION: "us-east-1",
            AWS_ACCESS_KEY_ID: "local",
            AWS_SECRET_ACCESS_KEY: "local",
          },
        });
      });
      afterAll(async () => {
        await lambda?.stop();
        await dynamodb?.stop();
      });
      stateSuite(
        "conformance",
        features,
        remoteRunner(() => lambda.url),
      );
    });
  }
}
