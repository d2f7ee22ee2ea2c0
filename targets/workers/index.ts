export { PillionObject } from "./object.ts";
export { open, serve } from "./serve.ts";
export { type BareHandler, withPillion, type WithPillionOptions, type Wrapped } from "./with-pillion.ts";
