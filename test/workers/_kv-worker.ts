import * as kv from "../../bindings/cloudflare/kv.ts";
import { serve } from "../../targets/workers/index.ts";
import { clock, conformance } from "../conformance/app.ts";

export default serve(conformance({ leastTtl: 60 }), {
  clock,
  components: { statestore: kv.state({ kvNamespaceID: "MY_KV" }) },
});
