import { serve } from "pillion/workers";
import app from "./app.ts";

export default serve(app);
export { PillionObject } from "pillion/workers";
