import type { Row } from "./_rows.ts";
import { keyRows } from "./requests-keys.ts";
import { bulkRows, queryRows, transactionRows } from "./requests-many.ts";
import { pubsubRows } from "./requests-pubsub.ts";
import { routeRows, systemRows } from "./requests-routes.ts";
import { stateRows } from "./requests-state.ts";
import { plainRows, unbuiltRows } from "./requests-unbuilt.ts";

/**
 * Everything that is asked of the API for the app `app`, with literal answers by Dapr's contract.
 * On `store` one component is declared, `store: state.in-memory`; on `bus` also `bus` and `scoped`, both
 * `pubsub.in-memory`, of which the latter lets `app` publish to its topic `open` alone; on `bare` none is.
 */
export const requests: readonly Row[] = [
  ...stateRows,
  ...keyRows,
  ...bulkRows,
  ...transactionRows,
  ...queryRows,
  ...pubsubRows,
  ...routeRows,
  ...systemRows,
  ...unbuiltRows,
  ...plainRows,
];
