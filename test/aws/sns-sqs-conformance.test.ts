import { afterAll, beforeAll, describe } from "vitest";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { type Aws, startAws } from "../harness/aws.ts";
import { absent, laterBroker, skipped } from "./_brokers.ts";

describe.skipIf(absent())(skipped("pulled by a process"), () => {
  let server: Aws;
  beforeAll(async () => {
    server = await startAws();
  });
  afterAll(() => server?.stop());

  // A message that failed without a policy comes again when its visibility ends: sooner than 10 s, so that tests do.
  const common = { messageWaitTimeSeconds: 1, messageVisibilityTimeout: 3 };
  pubSubSuite("pubsub.aws.snssqs", (consumerID) =>
    laterBroker(() => server, { consumerID, ...common }),
  );
  pubSubSuite(
    "pubsub.aws.snssqs with fifo",
    (consumerID) => laterBroker(() => server, { consumerID, fifo: true, ...common }),
    {
      skips: {
        "a handler that is busy does not stop the others":
          "messages without an ordering key have one, as in Dapr, and wait for each other",
      },
    },
  );
});
