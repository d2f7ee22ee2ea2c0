import * as memory from "pillion/memory";
import { serve } from "pillion/workers";
import app from "../../../examples/orders/app.ts";

// The planted fault: acknowledged writes do not outlive the process.
export default serve(app, { components: { statestore: memory.state({}) } });
export { PillionObject } from "pillion/workers";
