import { request } from "node:http";
import { expect } from "vitest";
import type { Api, ApiRequest } from "../../src/http/index.ts";
import type { Answer, Row, Step } from "./_rows.ts";

/** What came back. */
export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Sender = (step: Pick<Step, "method" | "path" | "headers" | "body">) => Promise<Got>;

/** Sends the steps of a row one after the other, and compares. */
export async function run({ steps }: Row, send: Sender): Promise<void> {
  let etag = "";
  for (const step of steps) {
    const filled = fill(step, () => etag);
    const got = await send(filled);
    compare(got, filled);
    etag = got.headers.etag ?? etag;
  }
}

function fill(step: Step, etag: () => string): Step {
  const replaced = (text: string) => text.replaceAll("{etag}", etag);
  const { answer, body } = step;
  return {
    ...step,
    headers: Object.fromEntries(
      Object.entries(step.headers).map(([name, value]) => [name, replaced(value)]),
    ),
    body: typeof body === "string" ? replaced(body) : body,
    answer: answer.body === undefined ? answer : { ...answer, body: replaced(answer.body) },
  };
}

function compare(got: Got, { method, path, answer }: Step): void {
  const what = `${method} ${path}: ${got.body.slice(0, 300)}`;
  expect(got.status, what).toBe(answer.status);
  for (const [name, wanted] of Object.entries(answer.headers ?? {})) {
    const value = got.headers[name];
    if (wanted === null) expect(value, `${what}: ${name}`).toBeUndefined();
    else if (wanted instanceof RegExp) expect(value, `${what}: ${name}`).toMatch(wanted);
    else expect(value, `${what}: ${name}`).toBe(wanted);
  }
  if (answer.body !== undefined) expect(got.body, what).toBe(answer.body);
  if (answer.error) compareError(got.body, answer.error, what);
}

function compareError(body: string, wanted: NonNullable<Answer["error"]>, what: string): void {
  const { errorCode, message, details, ...more } = JSON.parse(body);
  expect({ errorCode, more }, what).toEqual({ errorCode: wanted.code, more: {} });
  if (typeof wanted.message === "string") expect(message, what).toBe(wanted.message);
  else expect(message, what).toMatch(wanted.message);
  if (wanted.details) expect(details, what).toEqual(wanted.details);
}

/** As a server of another kind would call the API. */
export function throughHandle({ handle }: Pick<Api, "handle">): Sender {
  return async ({ method, path, headers, body }) => {
    const response = await handle(requestOf(method, path, { headers, body }));
    return { ...response, body: new TextDecoder().decode(bytesOf(response.body)) };
  };
}

export function throughFetch({ fetch }: Pick<Api, "fetch">): Sender {
  return async ({ method, path, headers, body }) => {
    const sent = new Request(`http://localhost${path}`, {
      method,
      headers,
      body: method === "GET" ? null : (body as BodyInit | undefined),
    });
    return gotFrom(await fetch(sent));
  };
}

export async function gotFrom(response: Response): Promise<Got> {
  const headers = Object.fromEntries(response.headers);
  return { status: response.status, headers, body: await response.text() };
}

/** Over the wire, with the path exactly as it stands in the row. */
export function overHttp(url: string): Sender {
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const sent = request({ hostname, port, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      sent.on("error", reject);
      sent.end(body);
    });
}

interface Parts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal;
}

export function requestOf(method: string, target: string, parts: Parts = {}): ApiRequest {
  const [path = "", ...query] = target.split("?");
  const { headers = {}, body, signal } = parts;
  return {
    method,
    path,
    query: query.join("?"),
    header: (name) => headers[name],
    body: async () => bytesOf(body),
    signal,
  };
}

function bytesOf(body: string | Uint8Array | undefined): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : (body ?? new Uint8Array());
}
