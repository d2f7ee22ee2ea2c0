import { ComponentError, type ErrorKind } from "../../src/errors.ts";

const NOT_FOUND = 404;
const PRECONDITION_FAILED = 406;
const ACCESS_REFUSED = 403;
const NOT_ALLOWED = 530;

/** The component's finding for what the driver throws. None of the driver's errors goes along: some hold an address. */
export function explain(error: unknown, component: string): unknown {
  if (!(error instanceof Error) || ComponentError.is(error)) return error;
  const { message } = error;
  const { code = "" } = error as { code?: string | number };
  const status =
    typeof code === "number" ? code : Number(/\b(403|404|406|530)\b/.exec(message)?.[1]);
  if (status === ACCESS_REFUSED) {
    return /Handshake|handshake/.test(message)
      ? fault(
          "config",
          "the server does not accept the credentials: correct connectionString, or username and password",
        )
      : fault("config", `the server permits it not to this user: ${reasonOf(message)}`);
  }
  if (status === NOT_ALLOWED || /Expected ConnectionOpenOk/.test(message)) {
    return fault(
      "config",
      "the server has no such virtual host, or not for this user: correct it in connectionString",
    );
  }
  if (status === PRECONDITION_FAILED) {
    return fault(
      "config",
      `an exchange or a queue is there with other arguments: ${reasonOf(message)}. Set durable, deletedWhenUnused (daprd's default is true), exchangeKind, maxLen and the subscription's queueType as it has them, or delete it`,
    );
  }
  if (status === NOT_FOUND) {
    return fault("unavailable", `the exchange or the queue is gone: ${reasonOf(message)}`);
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO|SSL|TLS/.test(`${code} ${message}`)) {
    return fault(
      "config",
      `no TLS with the server: correct connectionString, caCert, clientCert and clientKey (${code || message})`,
    );
  }
  if (isRefusal(error)) {
    return fault("unavailable", "RabbitMQ refused the message: it does not have it");
  }
  return fault("unavailable", `cannot reach RabbitMQ: ${message || code}`);

  function fault(kind: ErrorKind, problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}

/** The driver's error for a message that the server says it does not have. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && /nacked/.test(error.message);
}

/** The server's own words, without the driver's before them. */
function reasonOf(message: string): string {
  return /with message "(.*)"$/.exec(message)?.[1] ?? message;
}
