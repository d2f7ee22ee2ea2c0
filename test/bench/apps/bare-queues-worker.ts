import { Hono } from "hono";
import { consumed, EVENT, type RawQueue } from "./queues-counter.ts";

/** What one would write by hand for the same messages. */
const http = new Hono<{ Bindings: { UNREAD: RawQueue; THEIRS: RawQueue } }>();
http.get("/publish/:times", async ({ req, env, text }) => {
  for (let time = Number(req.param("times")); time > 0; time--)
    await env.UNREAD.send(EVENT, { contentType: "text" });
  return text("done");
});
let handled = 0;
http.get("/consume/:times", async ({ req, env, text }) => {
  await consumed(env.THEIRS, EVENT, Number(req.param("times")), () => handled);
  return text("done");
});

interface Batch {
  readonly messages: readonly { readonly body: string; ack(): void }[];
}

export default {
  fetch: http.fetch,
  async queue({ messages }: Batch): Promise<void> {
    for (const message of messages) {
      JSON.parse(message.body);
      handled++;
      message.ack();
    }
  },
};
