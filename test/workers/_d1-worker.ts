import * as d1 from "../../bindings/cloudflare/d1.ts";
import { serve } from "../../targets/workers/index.ts";
import app, { clock } from "../conformance/app.ts";

export default serve(app, { clock, components: { statestore: d1.state({ binding: "DB" }) } });
