import { ComponentError } from "../../src/errors.ts";

/** Where a server is and as whom to speak to it, from Dapr's settings. Nothing of it has been looked up or read. */
export interface Address {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  /** Where to connect instead of looking `host` up. */
  readonly hostaddr: string | undefined;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly tls: Tls;
  /** Milliseconds; undefined without a limit of its own. */
  readonly connectMs: number | undefined;
  readonly application: string | undefined;
  /** Settings of the session, as the command line of a server process has them. */
  readonly options: string | undefined;
}

/** `prefer`: TLS where the server has it. Paths of files in PEM form. */
export interface Tls {
  readonly mode: "disable" | "prefer" | "require" | "verify-ca" | "verify-full";
  readonly rootCert: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface AddressSettings {
  readonly connectionString?: string | undefined;
  readonly host?: string | undefined;
  readonly hostaddr?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly sslRootCert?: string | undefined;
}

type Words = Record<string, string>;

/** Messages quote names of parameters only: a connection string holds a password, also one that cannot be read. */
export function addressOf(settings: AddressSettings, component: string): Address {
  const words: Words = { ...parse(settings.connectionString ?? "", refuse), ...given(settings) };
  const { host, hostaddr, port = "5432", user, password, dbname } = words;
  if (host === undefined && hostaddr === undefined) {
    throw refuse("needs a connectionString, or host, user, password and database");
  }
  if (/,/.test(`${host}${hostaddr}${port}`)) {
    throw refuse("has several hosts in its settings: name one, such as a proxy's");
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw refuse("has a port that is none");
  return {
    host: host ?? (hostaddr as string),
    hostaddr,
    port: Number(port),
    user,
    password,
    database: dbname,
    tls: tlsOf(words, refuse),
    connectMs: secondsOf(words, refuse),
    application: words.application_name ?? words.fallback_application_name,
    options: optionsOf(words, refuse),
  };

  function refuse(what: string): ComponentError {
    return new ComponentError("config", `component ${component} ${what}`);
  }
}

type Refuse = (what: string) => ComponentError;

function given(settings: AddressSettings): Words {
  const { host, hostaddr, port, database, user, password, sslRootCert } = settings;
  const words = {
    host,
    hostaddr,
    port,
    dbname: database,
    user,
    password,
    sslrootcert: sslRootCert,
  };
  const filled = Object.entries(words).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(filled.map(([name, value]) => [name, String(value)]));
}

function parse(text: string, refuse: Refuse): Words {
  const words = /^postgres(ql)?:\/\//.test(text) ? parseUrl(text) : parsePairs(text);
  if (words === undefined) {
    throw refuse(
      "has a connectionString that is neither `host=… user=… password=… database=…` nor postgres://user:password@host:port/database: quote values with spaces or quotes by '…' in the first form, percent-encode them in the second",
    );
  }
  const { database, ...others } = words;
  return database === undefined ? words : { dbname: database, ...others };
}

/** libpq's form: pairs, in which a value may be quoted and a backslash takes the next character as it is. */
function parsePairs(text: string): Words | undefined {
  const words: Words = {};
  const pair = /\s*([a-z_A-Z.]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/gsy;
  let end = 0;
  for (const [whole, name = "", quoted, bare = ""] of text.matchAll(pair)) {
    words[name] = (quoted ?? bare).replace(/\\(.)/gs, "$1");
    end += whole.length;
  }
  return text.slice(end).trim() === "" ? words : undefined;
}

function parseUrl(text: string): Words | undefined {
  try {
    const url = new URL(text);
    const words = {
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      host: decodeURIComponent(url.hostname).replace(/^\[(.+)\]$/, "$1"),
      port: url.port,
      dbname: decodeURIComponent(url.pathname.slice(1)),
    };
    const filled = Object.entries(words).filter(([, value]) => value !== "");
    return { ...Object.fromEntries(filled), ...Object.fromEntries(url.searchParams) };
  } catch {
    return undefined;
  }
}

/** By libpq's rules: `require` verifies once there is a root certificate, and to say nothing is `prefer`. */
function tlsOf({ sslmode = "prefer", sslrootcert, sslcert, sslkey }: Words, refuse: Refuse): Tls {
  const files = { rootCert: sslrootcert, cert: sslcert, key: sslkey };
  switch (sslmode) {
    case "disable":
    case "prefer":
    case "allow":
      // libpq would leave the certificate aside, and whoever set it would think that it is checked.
      if (sslrootcert !== undefined)
        throw refuse("has a root certificate that nothing checks: set sslmode to verify-full");
      // `allow` leaves the choice to us, and encrypted is better.
      return { mode: sslmode === "disable" ? sslmode : "prefer", ...files };
    case "require":
      return { mode: sslrootcert === undefined ? "require" : "verify-ca", ...files };
    case "verify-ca":
    case "verify-full":
      return { mode: sslmode, ...files };
    default:
      throw refuse(
        "has an sslmode that is not one of disable, allow, prefer, require, verify-ca and verify-full",
      );
  }
}

function secondsOf({ connect_timeout: text = "0" }: Words, refuse: Refuse): number | undefined {
  if (!/^\d+$/.test(text)) throw refuse("has a connect_timeout that is not whole seconds");
  return Number(text) * 1000 || undefined;
}

const known =
  /^(host|hostaddr|port|user|password|dbname|sslmode|sslrootcert|sslcert|sslkey|connect_timeout|application_name|fallback_application_name|options)$/;
const impossible =
  /^(service|servicefile|passfile|sslpassword|sslsni|target_session_attrs|krb\w+|pool_\w+|\w+_cache_capacity|default_query_exec_mode|client_encoding|replication)$/;

/** Whatever else a connection string has is a setting of the session, which the server knows or refuses. */
function optionsOf(words: Words, refuse: Refuse): string | undefined {
  const parts = words.options === undefined ? [] : [words.options];
  for (const [name, value] of Object.entries(words)) {
    if (known.test(name)) continue;
    if (impossible.test(name) || !/^[a-z_][a-z0-9_.]*$/i.test(name)) {
      throw refuse(
        `has ${name} in its connectionString, which is not built: leave it out (maxConns, connectionMaxIdleTime and queryExecMode are settings of the component)`,
      );
    }
    parts.push(`-c ${name}=${value.replace(/[\\\s]/g, "\\$&")}`);
  }
  return parts.length === 0 ? undefined : parts.join(" ");
}
