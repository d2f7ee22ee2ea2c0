import { worker } from "./_race-worker.ts";

export default worker("STORE");
