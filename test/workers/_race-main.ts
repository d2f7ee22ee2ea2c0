import { worker } from "./_race-worker.ts";

export { PillionObject } from "../../targets/workers/index.ts";
export default worker();
