import { startMinistack } from "./_ministack.ts";

export { ministackPath } from "./_ministack.ts";

export const credentials = {
  region: "us-east-1",
  accessKey: "AKIDEXAMPLE",
  secretKey: "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
};

/** What the emulator calls the account of whoever asks. */
export const account = "000000000000";

/** SNS, SQS, STS and EventBridge of ministack. */
export interface Aws {
  readonly endpoint: string;
  /** One call of the JSON protocol, past pillion: what it answers, or throws as an error named after the fault. */
  sqs<T = Record<string, unknown>>(operation: string, input: object): Promise<T>;
  /** One call of the Query protocol: the XML. Throws for an error. */
  sns(operation: string, input: Readonly<Record<string, string>>): Promise<string>;
  /** One call of EventBridge. */
  events<T = Record<string, unknown>>(operation: string, input: object): Promise<T>;
  url(queue: string): string;
  stop(): Promise<void>;
}

/** Starts the emulator with nothing in it on a free port of 127.0.0.1. */
export async function startAws(): Promise<Aws> {
  const { endpoint, stop } = await startMinistack();
  return {
    endpoint,
    stop,
    url: (queue) => `${endpoint}/${account}/${queue}`,
    sqs: (operation, input) => json("sqs", "AmazonSQS", "1.0", operation, input),
    events: (operation, input) => json("events", "AWSEvents", "1.1", operation, input),
    async sns(operation, input) {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          ...signature("sns"),
        },
        body: new URLSearchParams({ Action: operation, Version: "2010-03-31", ...input }),
      });
      const text = await response.text();
      if (response.ok) return text;
      throw new Error(`${operation}: ${text}`);
    },
  };

  async function json<T>(
    service: string,
    target: string,
    version: string,
    operation: string,
    input: object,
  ): Promise<T> {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": `application/x-amz-json-${version}`,
        "x-amz-target": `${target}.${operation}`,
        ...signature(service),
      },
      body: JSON.stringify(input),
    });
    const text = await response.text();
    const answer = text === "" ? {} : (JSON.parse(text) as { __type?: string; message?: string });
    if (response.ok) return answer as T;
    throw new Error(`${operation}: ${text}`);
  }
}

/** The emulator wants a signature to be there and looks no further. */
function signature(service: string): Record<string, string> {
  return {
    "x-amz-date": "20260101T000000Z",
    authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=00`,
  };
}
