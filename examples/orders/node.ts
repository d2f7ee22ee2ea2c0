import { serve } from "pillion/node";
import app from "./app.ts";

const server = await serve(app);
console.log(`orders listens on ${server.url}`);
