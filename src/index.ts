export { type App, defineApp, type FetchHandler } from "./app.ts";
export type { StandardSchema } from "./blocks/schema.ts";
export type {
  BulkItem,
  BulkOptions,
  Concurrency,
  Consistency,
  GetOptions,
  Item,
  ListOptions,
  Operation,
  State,
  UpdateOptions,
  WriteOptions,
} from "./blocks/state/api.ts";
export type { Blocks, StateAccess } from "./blocks.ts";
export type { Call, Trace } from "./contracts/host.ts";
export {
  ApiError,
  ComponentError,
  type ErrorCode,
  type ErrorKind,
  type KeyFailure,
} from "./errors.ts";
export type { Listener, PillionEvent, StateCallName } from "./events.ts";
export { type PillionEnv, type PillionOptions, pillion } from "./hono.ts";
export type { Components, Runtime } from "./runtime.ts";
export type { ServeOptions } from "./serve.ts";
