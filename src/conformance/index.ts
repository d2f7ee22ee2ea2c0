export {
  type PubSubBed,
  type PubSubCase,
  type PubSubCaseName,
  pubSubCases,
  type Subscriber,
} from "./pubsub/index.ts";
export { type StateBed, type StateCase, type StateCaseName, stateCases } from "./state/index.ts";
