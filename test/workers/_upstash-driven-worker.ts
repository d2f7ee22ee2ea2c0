import * as upstash from "../../bindings/upstash.ts";
import { serve } from "../../targets/workers/index.ts";
import { movableClock } from "../harness/clock.ts";
import { driven } from "./_driven.ts";

const app = driven(movableClock(), () => ({}));

export default serve(app, {
  components: {
    statestore: upstash.state({ timeout: "500ms" }),
    wrong: upstash.state({ token: "wrong-token" }),
  },
});
