import { env } from "cloudflare:workers";
import * as upstash from "../../bindings/upstash.ts";
import { serve } from "../../targets/workers/index.ts";
import { conformance } from "../conformance/app.ts";

const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = env;

export default serve(conformance({ serverClock: true }), {
  components: {
    // By the variables of the platform.
    statestore: upstash.state({}),
    named: upstash.state({ url: String(url), token: String(token) }),
  },
});
