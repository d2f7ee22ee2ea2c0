import { ComponentError, type ErrorKind, messageOf } from "../../src/errors.ts";

/** Throws "invalid" for what is no subject, or one that a message cannot be published to. */
export function checkSubject(topic: string, component: string, to: "publish" | "subscribe"): void {
  const tokens = topic.split(".");
  const problem = tokens.some((token) => token === "" || /\s/.test(token))
    ? "words with dots between them, none empty and none with a space"
    : topic.startsWith("$")
      ? "no subject of the server's own, which begin with $"
      : to === "publish" && tokens.some((token) => token === "*" || token === ">")
        ? "one subject: * and > are for subscriptions"
        : tokens.slice(0, -1).includes(">")
          ? "a subject in which > comes last"
          : undefined;
  if (!problem) return;
  throw new ComponentError(
    "invalid",
    `component ${component}: topic ${JSON.stringify(topic)} must be ${problem}`,
  );
}

/** The server answers nobody on a subject: JetStream is not there, or no stream has it. */
export function isUnheard(error: unknown): boolean {
  return error instanceof Error && /^(JetStreamNotEnabled|NoResponders(Error)?)$/.test(error.name);
}

/** A code of JetStream's API, which ends the server's answer. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number"
    ? error.code
    : undefined;
}

export const CONSUMER_NOT_FOUND = 10014;
const JETSTREAM_NOT_ENABLED = 10039;
const MESSAGE_TOO_LARGE = 10054;

/** The component's finding for what the driver throws. None of the driver's errors goes along: some hold an address. */
export function explain(error: unknown, component: string): unknown {
  if (!(error instanceof Error) || ComponentError.is(error)) return error;
  const { name, message } = error;
  const code = codeOf(error);
  const { code: system = "" } = error as NodeJS.ErrnoException;
  if (name === "AuthorizationError" || name === "UserAuthenticationExpiredError") {
    return fault(
      "config",
      "the server does not accept the credentials: correct token, or jwt and seedKey, or the user in natsURL",
    );
  }
  if (name === "PermissionViolationError" || permission(error)) {
    return fault(
      "config",
      `the server permits it not to this user: ${permission(error) ?? message}`,
    );
  }
  if (isUnheard(error) || code === JETSTREAM_NOT_ENABLED) {
    return fault(
      "config",
      "the server has no JetStream for this account: start it with -js, or correct domain or apiPrefix",
    );
  }
  if (code === MESSAGE_TOO_LARGE || /max_payload/.test(message)) {
    return fault("invalid", "the message is larger than the server, or its stream, takes");
  }
  if (name === "InvalidSubjectError") return fault("invalid", "the topic is no subject");
  if (/CERT|SELF_SIGNED|UNABLE_TO|SSL|TLS|ENOENT|EACCES/.test(`${system} ${message}`)) {
    return fault(
      "config",
      `no TLS with the server: correct natsURL, tls_client_cert and tls_client_key (${system || message})`,
    );
  }
  if (name === "TimeoutError") return fault("unavailable", "NATS did not answer in time");
  return fault("unavailable", `cannot reach NATS: ${message || system || name}`);

  function fault(kind: ErrorKind, problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}

function permission(error: Error): string | undefined {
  const { cause } = error;
  return cause instanceof Error && cause.name === "PermissionViolationError"
    ? messageOf(cause)
    : undefined;
}
