import { afterAll, beforeAll, describe } from "vitest";
import * as kafka from "../../bindings/node/kafka.ts";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";

const absent = absentKafka();
let server: KafkaServer;

describe.skipIf(absent)(absent ? `Kafka (skipped: ${absent})` : "Kafka", () => {
  beforeAll(async () => {
    server = await startKafka();
  }, 120_000);

  afterAll(() => server?.stop());

  pubSubSuite("pubsub.kafka", (consumerID) =>
    kafka.pubsub({ brokers: server?.brokers ?? "none:1", authType: "none", consumerID }),
  );
});
