import { afterAll, beforeAll, describe } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";

const absent = absentRabbit();

describe.skipIf(absent)(`RabbitMQ${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: RabbitServer;
  beforeAll(async () => {
    server = await startRabbit();
  });
  afterAll(() => server?.stop());

  pubSubSuite("pubsub.rabbitmq", (consumerID) =>
    pubsub({ connectionString: server?.url ?? "amqp://127.0.0.1", consumerID }),
  );
});
