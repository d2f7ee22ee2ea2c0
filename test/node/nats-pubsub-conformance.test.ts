import { afterAll, beforeAll, describe } from "vitest";
import { pubsub } from "../../bindings/node/nats.ts";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { absentNats, type NatsServer, startNats } from "../harness/nats.ts";

const absent = absentNats();

describe.skipIf(absent)(`NATS${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
    await server.raw.manager.streams.add({ name: "all", subjects: ["c.>"] });
  });
  afterAll(() => server?.stop());

  pubSubSuite(
    "pubsub.jetstream",
    (consumerID) => pubsub({ natsURL: server?.url ?? "nats://127.0.0.1", consumerID }),
    {
      topic: (run, name) => `c.${run}.${name}`,
      wildcard: (name) => ({
        filter: `${name}.*.new`,
        inside: `${name}.a.new`,
        outside: `${name}.a.b.new`,
      }),
    },
  );
});
