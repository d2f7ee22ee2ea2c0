import { notPublished } from "../blocks/pubsub/errors.ts";
import type { OpenedPubSub } from "../blocks/pubsub/handle.ts";
import { publish } from "../blocks/pubsub/publish.ts";
import { ApiError, messageOf } from "../errors.ts";
import { empty, type Refusal, refused } from "./answers.ts";
import { bytesOf } from "./body.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { errorInfo, resourceInfo } from "./details.ts";
import { metadataOf, parseQuery } from "./query.ts";

/** Text by name, as it stands in the query. */
export type Metadata = Readonly<Record<string, string>>;

/** Where a request publishes to, and with what. */
export interface Target {
  readonly opened: OpenedPubSub;
  readonly topic: string;
  readonly metadata: Metadata;
}

/** One message: 204 once the broker has it. */
export async function publishMessage(exchange: Exchange): Promise<ApiResponse> {
  const target = targetOf(exchange);
  const { opened, topic, metadata } = target;
  const contentType = exchange.request.header("content-type") || "text/plain";
  const body = await bytesOf(exchange).catch((cause) => {
    throw unpublished(target, messageOf(cause));
  });
  await publish(opened, exchange.call, topic, body, { contentType, metadata }).catch((error) => {
    throw detailed(target, error);
  });
  return empty();
}

/** Refuses a pub/sub component that nobody declared, in Dapr's words. */
export function targetOf({ context: { runtime }, params, request }: Exchange): Target {
  const [name = "", topic = ""] = params;
  const entries = metadataOf(parseQuery(request.query));
  const { components = {} } = runtime.options;
  const component = Object.hasOwn(components, name) ? components[name] : undefined;
  if (!component?.type.startsWith("pubsub.")) {
    throw refused(404, "ERR_PUBSUB_NOT_FOUND", `pubsub ${name} is not found`, [
      errorInfo("DAPR_PUBSUB_NOT_FOUND", entries),
    ]);
  }
  return { opened: runtime.find("pubsub", name), topic, metadata: Object.fromEntries(entries) };
}

/** What the block threw, with the details that Dapr adds. Anything that is not about the message is left as it is. */
export function detailed(target: Target, error: unknown): unknown {
  if (!ApiError.is(error)) return error;
  const { opened, topic, metadata } = target;
  const { appId, name } = opened;
  const { code, status, message } = error;
  switch (code) {
    case "ERR_PUBSUB_FORBIDDEN": {
      const text = `topic ${topic} is not allowed for app id ${appId}`;
      return named(name, status, code, text, "FORBIDDEN", { topic, error: message });
    }
    case "ERR_PUBSUB_REQUEST_METADATA": {
      const text = `failed deserializing metadata. Error: ${message}`;
      return named(name, status, code, text, "METADATA_DESERIALIZATION", metadata);
    }
    case "ERR_PUBSUB_CLOUD_EVENTS_SER": {
      const why = { appID: appId, error: message };
      return named(name, status, code, "cannot create cloudevent", "CLOUD_EVENT_CREATION", why);
    }
    case "ERR_PUBSUB_PUBLISH_MESSAGE":
      return unpublished(target, messageOf(error.cause ?? error));
    default:
      return error;
  }
}

function unpublished({ opened, topic }: Target, why: string): Refusal {
  const about = { topic, error: why };
  const text = notPublished(opened.name, topic, why);
  return named(opened.name, 500, "ERR_PUBSUB_PUBLISH_MESSAGE", text, "PUBLISH_MESSAGE", about);
}

/** Refuses a bulk whose entries cannot be read; `reason` is Dapr's for where it noticed. */
export function unreadable(
  { opened, topic }: Target,
  reason: "UNMARSHAL_EVENTS" | "MARSHAL_ENVELOPE" | "MARSHAL_EVENTS",
  why: string,
): Refusal {
  const { name, appId } = opened;
  const texts = {
    UNMARSHAL_EVENTS: `error when unmarshaling the request for topic ${topic} pubsub ${name}: ${why}`,
    MARSHAL_ENVELOPE: `error when marshalling cloud event envelope for topic ${topic} pubsub ${name}: ${why}`,
    MARSHAL_EVENTS: `error marshaling events to bytes for topic ${topic} pubsub ${name}. error: ${why}`,
  };
  const error = reason === "UNMARSHAL_EVENTS" ? undefined : { error: why };
  const about = { appID: appId, ...error };
  return named(name, 400, "ERR_PUBSUB_EVENTS_SER", texts[reason], reason, about);
}

function named(
  name: string,
  status: number,
  code: string,
  message: string,
  reason: string,
  metadata: Metadata,
): Refusal {
  const resource = { ...resourceInfo("pubsub", name), description: message };
  const info = errorInfo(`DAPR_PUBSUB_${reason}`, Object.entries(metadata));
  return refused(status, code, message, [resource, info]);
}
