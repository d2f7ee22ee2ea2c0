import type { TopicSubscription } from "../../src/blocks/pubsub/subscribe.ts";
import {
  type AppAnswer,
  type AppClient,
  absolute,
  MAX_ANSWER,
  tokenHeader,
  tooLong,
} from "../_app/client.ts";
import type { DeclaredSubscription } from "../_app/routes.ts";
import { toDeclaredTopic } from "../_app/topic.ts";

/** The app in this process. */
export interface Inside {
  /** The app's own `fetch`. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** What the app's paths are under. */
  readonly url: string;
  /** Sent to the app with every event. */
  readonly token: string | undefined;
  readonly warn: (text: string) => void;
}

/** Subscriptions that bring their events to the app's own `fetch`. Throws `ERR_CONFIGURATION` for one that cannot work. */
export function eventsTo(
  inside: Inside,
  declared: readonly DeclaredSubscription[],
): TopicSubscription[] {
  const way = { client: fetchClient(inside), warn: inside.warn };
  return declared.map((one) => toDeclaredTopic(way, one));
}

/** Calls as those of a sidecar, with no network between. */
function fetchClient({ fetch, url, token }: Inside): AppClient {
  const own = tokenHeader(token);
  return {
    async call({ method, path, headers, body = "" }, signal): Promise<AppAnswer> {
      const length = { "content-length": String(Buffer.byteLength(body)) };
      const all = { ...headers, ...length, ...own };
      // Bytes of any buffer are a body, which the type does not say.
      const request = { method, headers: all, body: body as BodyInit, signal };
      const response = await fetch(new Request(`${url}${absolute(path)}`, request));
      return { status: response.status, body: await bodyOf(response) };
    },
  };
}

async function bodyOf({ body }: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  for (let size = 0; reader; ) {
    const { value } = await reader.read();
    if (value === undefined) break;
    size += value.byteLength;
    if (size > MAX_ANSWER) {
      await reader.cancel();
      throw tooLong();
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks);
}
