/** What is used of a queue's binding. */
export interface RawQueue {
  send(body: string, options: object): Promise<unknown>;
  sendBatch(messages: readonly object[]): Promise<unknown>;
}

/** A CloudEvent as Dapr's envelope has it. */
export const EVENT: string = JSON.stringify({
  data: { id: "o-1", item: "saddle", quantity: 1 },
  datacontenttype: "application/json",
  id: "5b6f5c0e-6f6f-4a54-9a67-1f3f5f3c1d5e",
  pubsubname: "pubsub",
  source: "bench",
  specversion: "1.0",
  time: "2026-01-01T00:00:00Z",
  topic: "ours",
  traceid: "",
  traceparent: "",
  tracestate: "",
  type: "com.dapr.event.sent",
});

/** Sends `times` messages, a hundred at a time, and waits until all of them were handled. */
export async function consumed(
  queue: RawQueue,
  body: string,
  times: number,
  handled: () => number,
): Promise<void> {
  const end = handled() + times;
  for (let sent = 0; sent < times; sent += 100) {
    await queue.sendBatch(Array.from({ length: 100 }, () => ({ body, contentType: "text" })));
  }
  while (handled() < end) await new Promise((resolve) => setTimeout(resolve, 1));
}
