import * as aws from "pillion/aws/sns-sqs";
import { serve } from "pillion/lambda";
import * as memory from "pillion/memory";
import app from "../../../examples/orders/app.ts";

// The planted fault: acknowledged writes do not outlive the process.
export const handler = serve(app, {
  components: { statestore: memory.state({}), pubsub: aws.pubsub({}) },
});
