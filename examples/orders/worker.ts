import * as queues from "pillion/cloudflare/queues";
import { serve } from "pillion/workers";
import app from "./app.ts";

// As wrangler.toml says it of every consumer.
const pubsub = queues.pubsub({ maxRetries: 100 });

export default serve(app, { components: { pubsub } });
export { PillionObject } from "pillion/workers";
