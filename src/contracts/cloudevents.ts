export { binaryEvent } from "../blocks/pubsub/binary.ts";
