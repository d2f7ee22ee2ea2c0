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
  "pubsub",
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

/** The rest of Dapr's blocks: absent from the types, and named by the error for whoever calls them anyway. */
export const unbuiltBlocks: object = Object.create(
  null,
  Object.fromEntries(
    unbuilt.map((block) => [
      block,
      {
        get() {
          throw new ApiError(
            "ERR_BLOCK_NOT_BUILT",
            `the building block ${block} is not built yet: there is state`,
          );
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
  readonly #find: (name: string) => OpenedState;

  constructor(call: Call, find: (name: string) => OpenedState) {
    super();
    this.call = call;
    this.#find = find;
  }

  get state(): StateAccess {
    const { call } = this;
    const find = this.#find;
    const state = (name: string, schema?: StandardSchema) => createState(find(name), call, schema);
    return state as StateAccess;
  }
}
