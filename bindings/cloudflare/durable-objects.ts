import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import {
  expiryOf,
  type StateOperation,
  type StateStore,
  type StoredItem,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";
import type { ObjectNamespace } from "./_object.ts";
import type { ObjectOperation, Refusal, StateRow, StateStub } from "./_state-object.ts";

const fields = {
  binding: {
    type: "string",
    description: "Worker binding of another PillionObject. Default: this Worker's own.",
  },
  object: {
    type: "string",
    description: "Its name. Default: `state/` and the component's name.",
  },
} as const;

/** State in one SQLite-backed Durable Object: strongly consistent, with transactions. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.cloudflare.durableobjects",
  runsOn: ["workers"],
  clock: "host",
  fields,
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: objectStore,
});

/** Cloudflare's limit for one row: developers.cloudflare.com/durable-objects/platform/limits. The local runtime does not enforce it. */
const MAX_ROW = 2_000_000;
/** What one call may carry: workerd takes 32 MiB for its arguments, and they need some room around them. */
const MAX_MESSAGE = 30_000_000;

function objectStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const namespace = namespaceOf(settings.binding, host, name);
  const object = settings.object ?? `state/${name}`;
  const { clock, random } = host;
  const now = () => Math.floor(clock.now() / 1000);

  return {
    async get(key) {
      return toItem(await ask((stub) => stub.stateGet(key, now())));
    },
    async getBulk(keys) {
      const rows: (StateRow | undefined)[] = [];
      // An answer holds as many rows as fit in one; the rest is asked for again.
      while (rows.length < keys.length) {
        rows.push(...(await ask((stub) => stub.stateGetBulk(keys.slice(rows.length), now()))));
      }
      return rows.map(toItem);
    },
    async set(key, value, { when, ttl }) {
      const row = toRow(key, value, ttl);
      settle(await ask((stub) => stub.stateApply({ key, when, row }, now())));
      return row.etag;
    },
    async delete(key, { when }) {
      settle(await ask((stub) => stub.stateApply({ key, when, row: undefined }, now())));
    },
    async transaction(operations) {
      const sent = operations.map(toObjectOperation);
      const size = sent.reduce((sum, { key, row }) => sum + sizeOf(key) + valueSize(row), 0);
      if (size > MAX_MESSAGE) throw tooLarge("the transaction", MAX_MESSAGE);
      settle(await ask((stub) => stub.stateTransaction(sent, now())));
    },
    list: (prefix, limit, cursor) => ask((stub) => stub.stateList(prefix, limit, cursor, now())),
    native: () => namespace.getByName(object),
  };

  async function ask<T>(question: (stub: StateStub) => Promise<T>): Promise<T> {
    try {
      // A stub that failed once stays broken, so each call takes its own; that costs no round trip.
      return await question(namespace.getByName(object));
    } catch (cause) {
      const text = `component ${name}: Durable Object ${object} did not answer: ${messageOf(cause)}`;
      throw new ComponentError("unavailable", text, { cause });
    }
  }

  function toObjectOperation(operation: StateOperation): ObjectOperation {
    const { key, when } = operation;
    const row =
      operation.operation === "upsert" ? toRow(key, operation.value, operation.ttl) : undefined;
    return { key, when, row };
  }

  function toRow(key: string, value: StoredValue, ttl: number | undefined): StateRow {
    const row = {
      value: "json" in value ? value.json : toBuffer(value.bytes),
      etag: random.uuid(),
      expires: expiryOf(ttl, clock) ?? null,
    };
    if (sizeOf(key) + valueSize(row) > MAX_ROW) throw tooLarge(`the item ${key}`, MAX_ROW);
    return row;
  }

  function tooLarge(what: string, limit: number): ComponentError {
    return new ComponentError(
      "invalid",
      `component ${name}: ${what} is too large for a Durable Object, which takes ${limit} bytes: nothing was written`,
    );
  }
}

function toItem(row: StateRow | undefined): StoredItem | undefined {
  if (!row) return undefined;
  const { value, etag, expires } = row;
  return {
    value: typeof value === "string" ? { json: value } : { bytes: new Uint8Array(value) },
    etag,
    expires: expires ?? undefined,
  };
}

function settle(refusal: Refusal | undefined): void {
  if (refusal) throw new ComponentError(refusal.failed, refusal.message);
}

/** SQL takes whole buffers; bytes may be a view of a part. */
function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}

/** Bytes of the text, counted only where it could be too large: UTF-8 takes up to three for a UTF-16 unit. */
function sizeOf(text: string): number {
  return text.length * 3 <= MAX_ROW ? text.length : new TextEncoder().encode(text).byteLength;
}

function valueSize(row: StateRow | undefined): number {
  if (!row) return 0;
  return typeof row.value === "string" ? sizeOf(row.value) : row.value.byteLength;
}

function namespaceOf(
  binding: string | undefined,
  { env, exports }: Host,
  component: string,
): ObjectNamespace<StateStub> {
  const namespace = (binding === undefined ? exports.PillionObject : env[binding]) as
    | Partial<ObjectNamespace<StateStub>>
    | undefined;
  if (typeof namespace?.getByName === "function") return namespace as ObjectNamespace<StateStub>;
  throw new ComponentError(
    "config",
    binding === undefined ? missingExport(component) : missingBinding(component, binding),
  );
}

function missingExport(component: string): string {
  return `component ${component} needs the Durable Object class PillionObject. Add to the Worker's main module:

  export { PillionObject } from "pillion/workers";

and to wrangler.toml:

  [exports.PillionObject]
  type = "durable-object"
  storage = "sqlite"
`;
}

function missingBinding(component: string, binding: string): string {
  return `component ${component}: the setting binding is ${binding}, and no Durable Object namespace of that name is bound. Add to wrangler.toml:

  durable_objects.bindings = [
    { name = "${binding}", class_name = "PillionObject", script_name = "<the Worker that exports it>" }
  ]
`;
}
