export { PillionObject } from "./object.ts";
export { open, type QueueBatch, serve, type WorkerHandlers } from "./serve.ts";
export {
  type BareHandler,
  type WithPillionOptions,
  type Wrapped,
  withPillion,
} from "./with-pillion.ts";
