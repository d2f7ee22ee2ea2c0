import * as memory from "pillion/memory";
import { serve } from "pillion/node";
import app from "../../../examples/orders/app.ts";

// The planted fault: acknowledged writes do not outlive the process.
const server = await serve(app, { components: { statestore: memory.state({}) } });
console.log(server.url);
