import { malformed } from "../../errors.ts";
import { type InferInput, type InferOutput, type StandardSchema, validate } from "../schema.ts";
import type { Publisher, TopicPublisher } from "./api.ts";

/** A topic whose data has a schema, made by {@link topic}: for `subscribe(topic, handler)` and `pubsub(topic).publish(data)`. */
export interface Topic<In, Out = In> {
  readonly pubsub: string;
  readonly name: string;
  readonly schema: StandardSchema<In, Out>;
  /** The block on this topic alone. */
  bind(publisher: Publisher): TopicPublisher<In>;
}

/**
 * Types the data of a topic and checks it at both ends: what does not fit is not published, and when it was all the same,
 * it goes to the dead-letter topic and to no handler.
 */
export function topic<S extends StandardSchema>(
  pubsub: string,
  name: string,
  schema: S,
): Topic<InferInput<S>, InferOutput<S>> {
  const bind = (publisher: Publisher): TopicPublisher<InferInput<S>> => ({
    async publish(data, options) {
      await checked(schema, name, data);
      await publisher.publish(name, data, options);
    },
    async publishBulk(entries) {
      await Promise.all(entries.map(({ data }) => checked(schema, name, data)));
      await publisher.publishBulk(name, entries);
    },
  });
  return { pubsub, name, schema: schema as Topic<InferInput<S>, InferOutput<S>>["schema"], bind };
}

async function checked(schema: StandardSchema, topic: string, data: unknown): Promise<void> {
  const result = await validate(schema, data);
  if (!("problem" in result)) return;
  throw malformed(`the data for topic ${topic} does not fit its schema: ${result.problem}`);
}
