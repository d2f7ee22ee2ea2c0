import { ComponentError } from "../../src/errors.ts";
import { explainReply } from "../_redis-errors.ts";

/** Whether a call only looks, or changes something and must then not be made twice. */
export type Intent = "read" | "write";

/** The connection went away under a call, whatever became of it. */
export function isLost(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(Connection is closed|Command aborted|Cluster is ended)/.test(error.message)
  );
}

/** Nothing was sent: there was no connection to send it on. */
export function isUnsent(error: unknown): boolean {
  return error instanceof Error && /enableOfflineQueue options is false/.test(error.message);
}

/** The server turned into a replica under the connection. */
export function isDemoted(error: unknown): boolean {
  return isReply(error) && explainReply(error.message).code === "READONLY";
}

export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/**
 * The component's finding for what ioredis throws. ioredis's errors hold the command with its values, and
 * those of a connection may hold the password: none goes along as the cause.
 */
export function explain(error: unknown, component: string, intent?: Intent): unknown {
  if (!(error instanceof Error) || ComponentError.is(error)) return error;
  if (error instanceof TypeError) return error;
  const { message } = error;
  if (isReply(error)) return explainAnswer(message, component);
  if (isLost(error) || isUnsent(error)) {
    const unknown = intent === "write" && isLost(error);
    return unavailable(
      `the connection to Redis was lost before it answered${unknown ? ": whether it was written is not known" : ""}`,
    );
  }
  const { code = "" } = error as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) {
    return fault(
      "config",
      `the server's certificate is not trusted (${code}): set caCert to the authority that signed it, or redisHost to the name that it is for`,
    );
  }
  if (/^ERR_(SSL|OSSL)|^EPROTO$/.test(code) || /Protocol error/i.test(message)) {
    const hint =
      "the other side does not speak this protocol: correct redisHost and its port, or enableTLS, clientCert and clientKey";
    return fault("config", `${hint} (${code || message})`);
  }
  if (/No such master|invalid reply: null/.test(message)) {
    return fault("config", "the sentinels know no such master: correct sentinelMasterName");
  }
  if (/sentinel.*(NOAUTH|WRONGPASS)/.test(message)) {
    return fault(
      "config",
      "the sentinels want other credentials: correct sentinelUsername and sentinelPassword",
    );
  }
  const hint = code === "ECONNRESET" ? ": if its port is one for TLS, set enableTLS" : "";
  return unavailable(`cannot reach Redis: ${message || code}${hint}`);

  function unavailable(problem: string): ComponentError {
    return fault("unavailable", problem);
  }

  function fault(kind: "unavailable" | "config", problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}

/** What to change, where it is up to a setting of this component. */
const fixes: Readonly<Record<string, string>> = {
  NOAUTH: "set redisPassword, and redisUsername where the user is not the default one",
  WRONGPASS: "correct redisUsername and redisPassword",
  NOPERM:
    "let it run EVAL and EVALSHA (and SCAN and TYPE to list keys, INFO to write with strong consistency), the commands of hashes, strings and keys, for pub/sub those of streams and CLIENT, and let it reach the keys",
  SELECT: "correct redisDB",
};

function explainAnswer(message: string, component: string): ComponentError {
  const { code, kind, text } = explainReply(message);
  if (/^(MOVED|ASK) /.test(message)) {
    return fault("config", "the server is one of a cluster: set redisType to cluster");
  }
  if (/cluster support disabled/i.test(message)) {
    return fault("config", "the server is not one of a cluster: set redisType to node");
  }
  if (/^(ERR invalid password|ERR AUTH|ERR Client sent AUTH)/i.test(message)) {
    return fault("config", `the server does not accept the password: ${fixes.WRONGPASS}`);
  }
  const fix = fixes[code];
  return fault(kind, fix ? `${text}: ${fix}` : text);

  function fault(kind: ComponentError["kind"], problem: string): ComponentError {
    return new ComponentError(kind, `component ${component}: ${problem}`);
  }
}
