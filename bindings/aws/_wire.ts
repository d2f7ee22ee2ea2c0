import type { Call, Host, ServiceResponse } from "../../src/contracts/host.ts";
import { type AccountSettings, scopeOf } from "./_account.ts";
import { retrying } from "./_retry.ts";
import { type CancellationReason, isTransient, type Row, ServiceFailure } from "./_service.ts";
import { createSigner, type Scope, type Sign } from "./_sigv4.ts";

/** How a service wants its requests and gives its answers. */
export interface Protocol {
  /** Its name in addresses and signatures. */
  readonly service: string;
  encode(operation: string, input: object): Encoded;
  /** MUST throw {@link ServiceFailure} for an answer that is none of success. */
  decode(operation: string, response: ServiceResponse): unknown;
}

interface Encoded {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One service of AWS over the host's own HTTP: a tenth of an SDK's start-up time and under half of its CPU per call. */
export interface Wire {
  /**
   * Throws {@link ServiceFailure} for an error answer, no answer, and none within `limitMs` where that is given; the
   * signal's reason once `call` was aborted. Retries what is safe and may pass.
   */
  run(operation: string, input: object, call: Call, limitMs?: number): Promise<unknown>;
  /** Throws "config" where the settings and the environment leave something open. */
  scope(): Scope;
}

interface Connection {
  readonly scope: Scope;
  readonly sign: Sign;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function createWire(
  protocol: Protocol,
  settings: AccountSettings,
  host: Host,
  component: string,
): Wire {
  let connection: Connection | undefined;
  // The host's clock signs, a test's virtual one too; AWS corrects one that is off by more than 5 minutes.
  let skew = 0;
  return { run, scope: () => connect().scope };

  async function run(
    operation: string,
    input: object,
    call: Call,
    limitMs?: number,
  ): Promise<unknown> {
    if (limitMs === undefined) return attempts(operation, input, call);
    const late = AbortSignal.timeout(limitMs);
    const signal = call.signal ? AbortSignal.any([call.signal, late]) : late;
    const { deadline, trace, waitUntil } = call;
    try {
      return await attempts(operation, input, { signal, deadline, trace, waitUntil });
    } catch (error) {
      if (error !== late.reason || !late.aborted) throw error;
      const text = `no answer from ${connect().scope.url.host} within ${limitMs} ms`;
      throw new ServiceFailure("NetworkError", text, { status: undefined });
    }
  }

  function attempts(operation: string, input: object, call: Call): Promise<unknown> {
    const { headers, body } = protocol.encode(operation, input);
    const bytes = encoder.encode(body);
    let lost = false;
    let corrected = false;
    return retrying(host, call, again, async () => {
      try {
        return await exchange(operation, headers, bytes, call);
      } catch (error) {
        if (ServiceFailure.is(error)) error.retried = lost;
        throw error;
      }
    });

    function again(error: unknown): boolean {
      if (!ServiceFailure.is(error)) return false;
      if (isSkew(error)) return !corrected && (corrected = true);
      lost ||= error.status === undefined || error.status >= 500;
      return isTransient(error);
    }
  }

  async function exchange(
    operation: string,
    target: Readonly<Record<string, string>>,
    body: Uint8Array,
    call: Call,
  ): Promise<unknown> {
    const { scope, sign } = connect();
    const headers = await sign(target, body, host.clock.now() + skew);
    const response = await send(scope.url, headers, body, call);
    try {
      return protocol.decode(operation, response);
    } catch (error) {
      if (ServiceFailure.is(error) && isSkew(error)) learn(response.headers.date);
      throw error;
    }
  }

  async function send(url: URL, headers: Record<string, string>, body: Uint8Array, call: Call) {
    call.signal?.throwIfAborted();
    try {
      return await host.send({ method: "POST", url: url.href, headers, body }, call);
    } catch (cause) {
      if (call.signal?.aborted) throw call.signal.reason;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ServiceFailure("NetworkError", `no answer from ${url.host}: ${why}`, {
        status: undefined,
        cause,
      });
    }
  }

  function connect(): Connection {
    if (connection) return connection;
    const scope = scopeOf(protocol.service, settings, host.env, component);
    connection = { scope, sign: createSigner(scope, host.hash) };
    return connection;
  }

  function learn(date: string | undefined): void {
    const server = Date.parse(date ?? "");
    if (!Number.isNaN(server)) skew = server - host.clock.now();
  }
}

export interface JsonService {
  /** What people call it. */
  readonly label: string;
  readonly service: string;
  /** What its operations are called under. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** Some of its operations answer success with nothing. */
  readonly silent?: boolean;
}

/** AWS's JSON protocol. */
export function jsonProtocol({ label, service, target, version, silent }: JsonService): Protocol {
  return {
    service,
    encode: (operation, input) => ({
      headers: {
        "content-type": `application/x-amz-json-${version}`,
        "x-amz-target": `${target}.${operation}`,
      },
      body: JSON.stringify(input),
    }),
    decode(_operation, { status, body }) {
      if (silent && status === 200 && body.length === 0) return {};
      const answer = parse(body);
      if (status === 200 && answer) return answer;
      throw answer ? failureOf(status, answer) : unknownAnswer(status, label);
    },
  };
}

/** What something between us and the service answered; as after no answer, the request may have been carried out. */
export function unknownAnswer(status: number, service: string): ServiceFailure {
  return new ServiceFailure("UnknownAnswer", `answer ${status} is not ${service}'s`, {
    status: status === 200 ? undefined : status,
  });
}

function parse(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    return JSON.parse(decoder.decode(body));
  } catch {
    return undefined;
  }
}

function failureOf(status: number, answer: Record<string, unknown>): ServiceFailure {
  const { __type: type, message, Message, Item: item, CancellationReasons: reasons } = answer;
  const name = /[^#]*$/.exec(String(type ?? "UnknownError"))?.[0] ?? "";
  return new ServiceFailure(name, String(message ?? Message ?? `status ${status}`), {
    status,
    item: item as Row | undefined,
    reasons: reasons as CancellationReason[] | undefined,
  });
}

function isSkew({ name, message }: ServiceFailure): boolean {
  if (name === "RequestTimeTooSkewed" || name === "RequestExpired") return true;
  return (
    /^(InvalidSignatureException|SignatureDoesNotMatch)$/.test(name) &&
    /^Signature (expired|not yet current)/.test(message)
  );
}
