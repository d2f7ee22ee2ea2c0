import * as snsSqs from "../../bindings/aws/sns-sqs.ts";
import { defineApp, type PillionEvent, subscribe } from "../../src/index.ts";
import { serve } from "../../targets/lambda/index.ts";

// What lambda-queue.test.ts bundles and runs under Lambda's own client. What it saw, it logs, one line each.

const components = { pubsub: snsSqs.pubsub({ accountID: "000000000000" }) };
const onEvent = (event: PillionEvent) => {
  if (event.type === "waituntil.failed") log("reported", String(event.error));
};

function log(word: string, rest: string): void {
  console.log(`seen ${word} ${rest}`);
}

interface Order {
  readonly name: string;
  readonly fail?: "throw" | "hang" | "rubbish" | "retry";
}

async function handle({ fail }: Order): Promise<unknown> {
  if (fail === "throw") throw new Error("on purpose");
  if (fail === "hang") return new Promise(() => undefined);
  if (fail === "rubbish") return { status: "PERHAPS" };
  return fail === "retry" ? "RETRY" : undefined;
}

const orders = (options: Parameters<typeof subscribe>[3]) =>
  subscribe<Order>(
    "pubsub",
    "orders",
    async ({ data, id }, _blocks, { attempt }) => {
      log("order", JSON.stringify({ name: data.name, id, attempt }));
      return (await handle(data)) as undefined;
    },
    options,
  );
const poison = subscribe<Order>("pubsub", "poison", (event) =>
  log("poison", JSON.stringify(event)),
);

const app = (options: Parameters<typeof subscribe>[3], fetch?: () => Response) =>
  defineApp({ id: "shop", subscriptions: [orders(options), poison], ...(fetch && { fetch }) });

/** With a policy. */
export const retrying = serve(
  app({ maxRetries: 2, retryDelayMs: 1500, deadLetterTopic: "poison" }, () => new Response("here")),
  { components, onEvent },
);

/** With Dapr's rule: what failed once is a dead letter. */
export const burying = serve(app({ deadLetterTopic: "poison" }), { components, onEvent });

/** With the queue's own redrive. */
export const plain = serve(app({}), { components, onEvent });

/** On a queue with an order. */
export const ordered = serve(app({ maxRetries: 5, retryDelayMs: 1000 }), {
  components: { pubsub: snsSqs.pubsub({ accountID: "000000000000", fifo: true }) },
  onEvent,
});
