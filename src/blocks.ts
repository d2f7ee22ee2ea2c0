import type { Publisher, TopicPublisher } from "./blocks/pubsub/api.ts";
import type { OpenedPubSub } from "./blocks/pubsub/handle.ts";
import type { Topic } from "./blocks/pubsub/topic.ts";
import type { InferInput, InferOutput, StandardSchema } from "./blocks/schema.ts";
import type { State } from "./blocks/state/api.ts";
import { createState } from "./blocks/state/create.ts";
import type { OpenedState } from "./blocks/state/handle.ts";
import type { Call } from "./contracts/host.ts";
import { ApiError } from "./errors.ts";

/** Dapr's building blocks, on behalf of one invocation. Its members may be taken off it. */
export interface Blocks {
  /** The invocation itself: its signal, trace, deadline and `waitUntil`. */
  readonly call: Call;
  readonly state: StateAccess;
  readonly pubsub: PubSubAccess;
}

export interface PubSubAccess {
  /** The pub/sub component of that name. Throws `ERR_PUBSUB_NOT_FOUND` for a name that nobody declared. */
  (name: string): Publisher;
  /** One topic, whose schema data has to fit. */
  <In, Out>(topic: Topic<In, Out>): TopicPublisher<In>;
}

/** Opens components on first use; throws for a name that nobody declared for the block. `""` is any block. */
export interface Find {
  (block: "state", name: string): OpenedState;
  (block: "pubsub", name: string): OpenedPubSub;
  (block: "", name: string): OpenedState | OpenedPubSub;
}

export interface StateAccess {
  /**
   * The state store of that name. Throws `ERR_STATE_STORE_NOT_FOUND` for a name that nobody declared,
   * and `ERR_CONFIGURATION` when the component cannot be opened.
   */
  (name: string): State;
  /** The same store, whose values `schema` checks on the way in and parses on the way out. */
  <S extends StandardSchema>(name: string, schema: S): State<InferInput<S>, InferOutput<S>>;
}

const unbuilt = [
  "invoke",
  "secrets",
  "secretstores",
  "configuration",
  "lock",
  "bindings",
  "actors",
  "workflow",
  "jobs",
  "crypto",
] as const;

export function notBuilt(block: string): ApiError {
  return new ApiError("ERR_BLOCK_NOT_BUILT", `the building block ${block} is not built yet`);
}

/** The rest of Dapr's blocks: absent from the types, and named by the error for whoever calls them anyway. */
export const unbuiltBlocks: object = Object.create(
  null,
  Object.fromEntries(
    unbuilt.map((block) => [
      block,
      {
        get() {
          throw notBuilt(block);
        },
      },
    ]),
  ),
);

function Unbuilt() {}
Unbuilt.prototype = unbuiltBlocks;

/** The blocks of one invocation. A class with getters: one is made for every request, also for those that touch none. */
export class BoundBlocks extends (Unbuilt as unknown as new () => object) implements Blocks {
  readonly call: Call;
  /** For what builds on the blocks, such as an outbox. */
  readonly find: Find;

  constructor(call: Call, find: Find) {
    super();
    this.call = call;
    this.find = find;
  }

  get state(): StateAccess {
    const { call, find } = this;
    const state = (name: string, schema?: StandardSchema) =>
      createState(find("state", name), call, schema);
    return state as StateAccess;
  }

  get pubsub(): PubSubAccess {
    const { call, find } = this;
    const pubsub = (target: string & Topic<unknown>) => {
      const opened = find("pubsub", target.pubsub ?? target);
      return opened.component.bind?.(opened, call, target);
    };
    return pubsub as PubSubAccess;
  }
}
