import { pubsub } from "../../bindings/node/redis.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { processHost } from "../../targets/_process/host.ts";
import type { MakePubSub } from "../conformance/pubsub.ts";

export type StreamOptions = Parameters<typeof pubsub>[0];

/** A component for a suite that declares its tests before its server has started. */
export function laterStreams(options: () => StreamOptions): MakePubSub {
  return (consumerID) => ({
    ...pubsub({ redisHost: "127.0.0.1:9" }),
    open: (host, name, appId) => pubsub({ ...options(), consumerID }).open(host, name, appId),
  });
}

/** The broker itself. */
export function streamsOn(options: StreamOptions, consumerID = "shop"): PubSub {
  return pubsub({ consumerID, ...options }).open(processHost("node"), "broker");
}
