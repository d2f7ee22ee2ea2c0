import { serve } from "../../targets/workers/index.ts";
import app, { clock } from "../conformance/app.ts";

export { PillionObject } from "../../targets/workers/index.ts";
export default serve(app, { clock });
