import * as dynamodb from "../../bindings/aws/dynamodb.ts";
import { serve } from "../../targets/lambda/index.ts";
import app, { clock } from "../conformance/app.ts";

const table = process.env.PILLION_TABLE ?? "";
export const handler = serve(app, {
  clock,
  components: { statestore: dynamodb.state({ table, ttlAttributeName: "ttl", scan: true }) },
});
