import { afterAll, beforeAll, describe } from "vitest";
import { localStateSuite } from "../conformance/suite.ts";
import type { DynamoDB } from "../harness/dynamodb.ts";
import { absent, emulators, laterComponent, startUnlessAbsent } from "./_beds.ts";

for (const emulator of emulators) {
  const reason = absent(emulator);
  describe.skipIf(reason)(reason ? `${emulator} (skipped: ${reason})` : emulator, () => {
    let server: DynamoDB;
    beforeAll(async () => {
      server = (await startUnlessAbsent(emulator)) as DynamoDB;
      await server.createTable("conformance", { ttl: "expires" });
    });
    afterAll(() => server.stop());

    for (const transport of ["light", "sdk"] as const) {
      const whole = { table: "conformance", ttlAttributeName: "expires", scan: true };
      localStateSuite(
        `state.aws.dynamodb, ${transport}`,
        laterComponent(transport, () => server, whole),
      );
      localStateSuite(
        `state.aws.dynamodb, ${transport}, without TTL and LIST`,
        laterComponent(transport, () => server, { table: "conformance" }),
      );
    }
  });
}
