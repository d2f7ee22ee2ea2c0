import { ComponentError, type ErrorKind, messageOf } from "../../src/errors.ts";

/** What messages say of the place of a failure. */
export interface Place {
  readonly component: string;
  /** Host, port and database; nothing secret. */
  readonly server: string;
  readonly tables: string;
  readonly version: "v1" | "v2";
}

/** The server's five characters for what happened, if it was the server that said so. */
export function stateOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return severityOf(error) !== undefined && typeof code === "string" ? code : undefined;
}

function severityOf(error: unknown): string | undefined {
  const { severity } = error as { severity?: unknown };
  return typeof severity === "string" ? severity : undefined;
}

/** A prepared statement is gone, or does not fit its table any more; or the server takes no writes, and another may. */
const UNFIT = new Set(["26000", "42P05", "0A000", "25006"]);

/** Whether the connection is good for the next: it is after an ERROR, and not after a FATAL or when it broke. */
export function survives(error: unknown): boolean {
  return severityOf(error) === "ERROR" && !UNFIT.has(stateOf(error) ?? "");
}

/** Serialization failure, deadlock, and the division by zero with which a transaction gives itself up. */
const CLASHES = new Set(["40001", "40P01", "22012"]);

/** Undone by the server because of other writers; the same again may succeed. */
export function clashed(error: unknown): boolean {
  return CLASHES.has(stateOf(error) ?? "");
}

/** `writes`: a lost connection leaves open whether the statement took effect. */
export function explain(error: unknown, place: Place, writes = false): ComponentError {
  if (ComponentError.is(error)) return error;
  const state = stateOf(error);
  const [kind, text] = state === undefined ? broken(error, writes) : refused(state, error, place);
  const { component, server } = place;
  // The server's error quotes the value in its fields: it does not go along as the cause.
  const cause = state === undefined ? error : undefined;
  return new ComponentError(kind, `component ${component}: PostgreSQL at ${server} ${text}`, {
    cause,
  });
}

type Finding = readonly [ErrorKind, string];

/** The driver's own findings, which have Node's codes or none. */
function broken(error: unknown, writes: boolean): Finding {
  const message = messageOf(error);
  if (/does not support SSL/.test(message))
    return ["config", "has no TLS: set ssl = on there, or sslmode=disable here"];
  if (/^SASL:.*password must be/.test(message))
    return ["config", "asks for a password: set password"];
  if (/after calling end on the pool/.test(message))
    return ["config", "cannot be used: the pool given as client was closed"];
  const { code = "" } = error as { code?: string };
  if (/CERT|ALTNAME|ISSUER|SIGNATURE|^ERR_TLS|^ERR_SSL/.test(code))
    return [
      "config",
      `has a certificate that is not accepted (${code}): set sslRootCert to the certificate of its authority, or another sslmode`,
    ];
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)$/.test(code))
    return ["unavailable", `cannot be reached (${code}): start it, or change host and port`];
  if (/timeout/.test(message)) return ["unavailable", "cannot be reached: it did not answer"];
  const doubt = writes ? ": it is not known whether the write was made" : "";
  return ["unavailable", `broke the connection (${code || message})${doubt}`];
}

/** The server's findings. Its words are left out where they may quote a key or a value. */
function refused(state: string, error: unknown, place: Place): Finding {
  const said = messageOf(error);
  switch (state) {
    case "28P01":
    case "28000":
      return [
        "config",
        `lets nobody in as this (${said}): set user and password, and sslmode=require if it asks for encryption`,
      ];
    case "3D000":
      return ["config", `says: ${said}: create it, or set database`];
    case "42501":
      return [
        "config",
        `says: ${said}: grant this user SELECT, INSERT, UPDATE and DELETE on ${place.tables}, and CREATE on their schema while they are not there`,
      ];
    case "3F000":
      return ["config", `says: ${said}: create it, for ${place.tables}`];
    case "22012":
      return ofClass("40001", said, place);
    case "42P01":
    case "42703":
      return [
        "config",
        `says: ${said}: ${place.tables} must be as Dapr makes them, for ${place.version} and not the other version; a process makes what is missing when it starts`,
      ];
    case "26000":
    case "42P05":
      return [
        "config",
        "lost a prepared statement: behind a pooler such as PgBouncer set queryExecMode to exec",
      ];
    case "25006":
      return [
        "unavailable",
        "takes no writes: it is a standby, or read-only by its settings; connect to the primary",
      ];
    case "55P03":
      return ["unavailable", `waited for a lock for too long (${said})`];
    case "57014":
      return ["unavailable", `ended the statement (${said}): nothing was written`];
    default:
      if (severityOf(error) === "FATAL" && /^(22|42)/.test(state))
        return ["config", `refuses the connection (${said}): change connectionString`];
      return ofClass(state, said, place);
  }
}

function ofClass(state: string, said: string, { version }: Place): Finding {
  switch (state.slice(0, 2)) {
    case "22":
      return [
        "invalid",
        version === "v1"
          ? `cannot hold this key or value (${state}): jsonb has no U+0000 and no half of a surrogate pair; version v2 of the component holds any value`
          : `cannot hold this key or value (${state})`,
      ];
    case "54":
      return [
        "invalid",
        `has a limit that the key or value is over (${state}): a key takes up to about 2,700 bytes, compressed`,
      ];
    case "42":
      return ["config", `refuses the statement (${state}: ${said})`];
    case "40":
      return [
        "unavailable",
        `undid the write because of other writers, again and again (${state})`,
      ];
    case "23":
      return ["unavailable", `refuses the row (${state}): a constraint that Dapr's table lacks`];
    default:
      return ["unavailable", `failed (${state}: ${said})`];
  }
}
