import { serve } from "pillion/node";
import app from "./app.ts";

const { url } = await serve(app);
console.log(url);
