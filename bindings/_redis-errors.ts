import type { ErrorKind } from "../src/errors.ts";

/** What an error reply of a server means, and to whom it is up. Texts of credentials and addresses are the component's own. */
export interface Finding {
  /** The server's word for it; empty where it has none. */
  readonly code: string;
  readonly kind: ErrorKind;
  readonly text: string;
}

const findings: Readonly<Record<string, readonly [ErrorKind, string]>> = {
  NOSCRIPT: ["unavailable", "the server forgot a script while it was used: try again"],
  NOAUTH: ["config", "the server wants a password"],
  WRONGPASS: ["config", "the server does not accept the user name and password"],
  NOPERM: ["config", "the user lacks a permission that the component needs"],
  OOM: [
    "unavailable",
    "the server's memory is full (its maxmemory): nothing was written; raise it, or delete something",
  ],
  MISCONF: ["unavailable", "the server takes no writes because it cannot save to its disk"],
  NOREPLICAS: ["unavailable", "the server takes no writes because too few replicas are connected"],
  READONLY: ["unavailable", "the server is a replica and takes no writes"],
  LOADING: ["unavailable", "the server is loading its data"],
  MASTERDOWN: ["unavailable", "the server is a replica that has lost its master"],
  CLUSTERDOWN: ["unavailable", "the cluster is down, or part of it"],
  TRYAGAIN: ["unavailable", "the keys are moving to another server of the cluster"],
  BUSY: ["unavailable", "the server is busy with another client's script"],
  WRONGTYPE: ["invalid", "the key holds something of another type, which is left as it is"],
  CROSSSLOT: [
    "invalid",
    "the keys of one transaction lie in different slots of the cluster: nothing was written; give them a hash tag in common, such as {order-1}-items and {order-1}-total",
  ],
};

/** Some say it in the middle: what a script's command answered stands in the script's own error. */
const CODE = new RegExp(`\\b(${Object.keys(findings).join("|")})\\b`);

export function explainReply(message: string): Finding {
  const said = shown(message);
  const code = CODE.exec(message)?.[1] ?? "";
  const found = findings[code];
  if (found) {
    const [kind, text] = found;
    return { code, kind, text: kind === "config" ? `${text} (${said})` : text };
  }
  if (/maximum allowed size|invalid bulk length/i.test(message)) {
    const text = "the value is larger than the server takes: nothing was written";
    return { code, kind: "invalid", text };
  }
  if (/DB index|SELECT is not allowed/i.test(message)) {
    return { code: "SELECT", kind: "config", text: `the server has no such database (${said})` };
  }
  return { code, kind: "unavailable", text: `the server answered: ${said}` };
}

/** Without what an error quotes of the call, and where in a script it happened. */
function shown(message: string): string {
  const [text = ""] = message.split(/, with args| script: |\r?\n/);
  return text;
}
