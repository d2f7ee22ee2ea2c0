/** Requests with what must come back: data, so that the same ones are sent to a handler, a server and daprd. */
export interface Row {
  /** What the row shows. */
  readonly name: string;
  /** Sent one after the other; keys are the row's own. */
  readonly steps: readonly Step[];
  /** What is declared: an in-memory state store called `store`, that and pub/sub, or nothing at all. */
  readonly on: Setup;
  /** Why daprd answers something else. */
  readonly differs?: string;
  /** Its path is none that a URL object leaves as it is. */
  readonly raw?: true;
  /** Only where the API stands in a process of its own, or only where it does not. */
  readonly only?: "process" | "mounted";
}

export type Setup = "store" | "bus" | "bare";

export interface Step {
  readonly method: string;
  /** With the query. `{etag}` stands for the last ETag that the row was given. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly answer: Answer;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case; null for one that must not be there. */
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  /** Literally; empty for none. */
  readonly body?: string | undefined;
  /** Of an error's body. The words of a message that are not Dapr's are a pattern. */
  readonly error?: {
    readonly code: string;
    readonly message: string | RegExp;
    readonly details?: readonly unknown[] | undefined;
  };
}

type Headers = Readonly<Record<string, string>>;
type Body = string | Uint8Array;

export const get = (path: string, answer: Answer, headers: Headers = {}): Step => ({
  method: "GET",
  path,
  headers,
  answer,
});

export const del = (path: string, answer: Answer, headers: Headers = {}): Step => ({
  method: "DELETE",
  path,
  headers,
  answer,
});

export const send = (
  method: string,
  path: string,
  body: Body | undefined,
  answer: Answer,
  headers: Headers = {},
): Step => ({ method, path, body, answer, headers });

export const post = (path: string, body: Body, answer: Answer, headers?: Headers) =>
  send("POST", path, body, answer, headers);

export const put = (path: string, body: Body, answer: Answer, headers?: Headers) =>
  send("PUT", path, body, answer, headers);

/** Done, with nothing to say. */
export const done: Answer = {
  status: 204,
  body: "",
  headers: { "content-type": null, etag: null },
};

export const json = (body: string, headers: Answer["headers"] = {}): Answer => ({
  status: 200,
  body,
  headers: { "content-type": "application/json", ...headers },
});

export const fails = (
  status: number,
  code: string,
  message: string | RegExp,
  details?: readonly unknown[],
): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  error: { code, message, details },
});

export const plain = (status: number, body: string): Answer => ({
  status,
  body,
  headers: { "content-type": "text/plain; charset=utf-8" },
});

/** What a path or method without a route gets. */
export const unmatched: Answer = fails(
  404,
  "ERR_DIRECT_INVOKE",
  "failed getting app id either from the URL path or the header dapr-app-id",
);

export const malformed = (message: string | RegExp = /./): Answer =>
  fails(400, "ERR_MALFORMED_REQUEST", message);

export const info = (reason: string, metadata: object | null = null) => ({
  "@type": "type.googleapis.com/google.rpc.ErrorInfo",
  domain: "dapr.io",
  metadata,
  reason,
});

export const resource = (name: string) => ({
  "@type": "type.googleapis.com/google.rpc.ResourceInfo",
  description: "",
  owner: "",
  resource_name: name,
  resource_type: "state",
});

type Extras = Pick<Row, "differs" | "raw" | "only">;

export const rowOn =
  (on: Setup) =>
  (name: string, steps: readonly Step[], extras: Extras = {}): Row => ({
    name,
    on,
    steps,
    ...extras,
  });

export const row = rowOn("store");
export const bareRow = rowOn("bare");
