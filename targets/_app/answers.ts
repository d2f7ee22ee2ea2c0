import type { Status } from "../../src/blocks/pubsub/api.ts";
import type { AppAnswer } from "./client.ts";

/** An app's word on a message, as Dapr takes it. Throws for what asks for the message again without saying so. */
export function statusOf({ status, body }: AppAnswer): string {
  if (status === 404) return "DROP";
  if (!isSuccess(status)) throw new Error(`the app answered ${status}`);
  // A body that says nothing of a status is one more way to say that all went well.
  const said = memberOf(parsed(body), "status");
  return typeof said === "string" && said !== "" ? said : "SUCCESS";
}

/** The word on each of several messages, by its entry; what the app says nothing of comes again. */
export function statusesOf({ status, body }: AppAnswer): (entryId: string) => string {
  if (status === 404) return () => "DROP";
  if (!isSuccess(status)) throw new Error(`the app answered ${status}`);
  const list = memberOf(parsed(body), "statuses");
  if (!Array.isArray(list)) throw new Error("the app's answer has no statuses in it");
  const known = new Map<unknown, unknown>();
  for (const item of list) known.set(memberOf(item, "entryid"), memberOf(item, "status"));
  return (entryId) => {
    const said = known.get(entryId);
    return typeof said === "string" && said !== "" ? said : ("RETRY" satisfies Status);
  };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** Whatever the case of its name, as Go reads JSON. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const key = Object.keys(value).findLast((key) => key.toLowerCase() === name);
  return key === undefined ? undefined : (value as Record<string, unknown>)[key];
}
