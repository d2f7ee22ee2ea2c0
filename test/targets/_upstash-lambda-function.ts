import * as upstash from "../../bindings/upstash.ts";
import { serve } from "../../targets/lambda/index.ts";
import { conformance } from "../conformance/app.ts";

export const handler = serve(conformance({ serverClock: true }), {
  components: { statestore: upstash.state({}) },
});
