import { serve } from "pillion/lambda";
import app from "./app.ts";

export const handler = serve(app);
