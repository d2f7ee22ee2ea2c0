import * as queues from "pillion/cloudflare/queues";
import * as memory from "pillion/memory";
import { serve } from "pillion/workers";
import app from "../../../examples/orders/app.ts";

// The planted fault: acknowledged writes do not outlive the process.
export default serve(app, {
  components: { statestore: memory.state({}), pubsub: queues.pubsub({}) },
});
export { PillionObject } from "pillion/workers";
