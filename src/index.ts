export { type App, defineApp, type FetchHandler } from "./app.ts";
export type {
  BulkEntry,
  CloudEvent,
  Delivery,
  DeliverySource,
  EventAttributes,
  Handler,
  HandlerResult,
  Match,
  Publisher,
  PublishOptions,
  Routes,
  Rule,
  Status,
  SubscribeOptions,
  TopicPublisher,
} from "./blocks/pubsub/api.ts";
export { subscribe, type TopicSubscription } from "./blocks/pubsub/subscribe.ts";
export { type Topic, topic } from "./blocks/pubsub/topic.ts";
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
export type { Blocks, PubSubAccess, StateAccess } from "./blocks.ts";
export type { Call, Trace } from "./contracts/host.ts";
export {
  ApiError,
  ComponentError,
  type ErrorCode,
  type ErrorKind,
  type KeyFailure,
} from "./errors.ts";
export type { DeliveryOutcome, Listener, PillionEvent, StateCallName } from "./events.ts";
export { type PillionEnv, type PillionOptions, pillion } from "./hono.ts";
export type { Components, Runtime } from "./runtime.ts";
export type { ServeOptions } from "./serve.ts";
