export { PillionObject } from "./object.ts";
export { open, serve, type WorkerHandlers } from "./serve.ts";
export {
  type BareHandler,
  type WithPillionOptions,
  type Wrapped,
  withPillion,
} from "./with-pillion.ts";
