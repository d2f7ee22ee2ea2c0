import * as queues from "pillion/cloudflare/queues";
import { serve } from "pillion/workers";
import app from "./app.ts";

export default serve(app, { components: { pubsub: queues.pubsub({}) } });
export { PillionObject } from "pillion/workers";
