import { transaction } from "../blocks/state/write.ts";
import { empty, failure, Refusal } from "./answers.ts";
import { jsonOf } from "./body.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { Fields } from "./fields.ts";
import { withEvents } from "./outbox.ts";
import { parseQuery } from "./query.ts";
import { refusing, writeOf } from "./state.ts";
import { checkSeparator, storeOf, tooManyOperations, withoutTransactions } from "./store.ts";

/** All or none. A lost race is 500 as well: in a transaction Dapr has no other status for what the store refuses. */
export async function transactState(exchange: Exchange): Promise<ApiResponse> {
  const handle = storeOf(exchange);
  const { name, features, instance: store } = handle.opened;
  if (!features.has("TRANSACTIONAL")) throw withoutTransactions(name);
  const body = new Fields(await jsonOf(exchange), "the body");
  const operations = body.list("operations").map((operation) => operationOf(name, operation));
  body.metadata();
  const query = parseQuery(exchange.request.query);
  const read = refusing("ERR_STATE_TRANSACTION", "error while executing state transaction", () =>
    operations.map(({ operation, request }) => {
      const metadata = request.metadata();
      return { operation, ...writeOf(request, query), metadata };
    }),
  );
  const { handle: own, operations: stored } = withEvents(handle, read);
  const { maxOperations = stored.length } = store;
  if (stored.length > maxOperations) throw tooManyOperations(name, stored.length, maxOperations);
  await transaction(own, stored);
  return empty();
}

/** Which of the two it is, and of what; Dapr looks at this of all operations before it looks at their options. */
function operationOf(store: string, value: unknown) {
  const item = new Fields(value, "an operation");
  const operation = item.text("operation") ?? "";
  if (operation !== "upsert" && operation !== "delete") {
    const text = `operation type ${operation} not supported`;
    throw new Refusal(failure(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", text));
  }
  const request = item.nested("request");
  checkSeparator(store, request.text("key") ?? "");
  return { operation, request } as const;
}
