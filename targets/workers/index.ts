export { PillionObject } from "./object.ts";
export { open, serve } from "./serve.ts";
export {
  type BareHandler,
  type WithPillionOptions,
  type Wrapped,
  withPillion,
} from "./with-pillion.ts";
