import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import {
  expiryOf,
  type StateOperation,
  type StateStore,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";
import type { ObjectNamespace } from "./_object.ts";
import type { ObjectOperation, StateReply, StateRequest } from "./_state-object.ts";

const fields = {
  binding: {
    type: "string",
    description:
      "Worker binding of another Worker's namespace of PillionObject. Default: the PillionObject that this Worker exports.",
  },
  object: {
    type: "string",
    description:
      "Name of the object that holds the items. Default: `state/` and the component's name.",
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

interface Stub {
  state(request: StateRequest): Promise<StateReply>;
}

/** Cloudflare's limit for one row, a blob or a text: developers.cloudflare.com/durable-objects/platform/limits. The local runtime does not enforce it. */
const MAX_VALUE = 2_000_000;

function objectStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const namespace = namespaceOf(settings.binding, host, name);
  const object = settings.object ?? `state/${name}`;
  const { clock, random } = host;

  return {
    async get(key) {
      return (await read([key]))[0];
    },
    getBulk: (keys) => read(keys),
    async set(key, value, { when, ttl }) {
      const etag = random.uuid();
      checkSize(key, value);
      await ask({
        do: "set",
        now: clock.now(),
        key,
        value,
        when,
        etag,
        expires: expiryOf(ttl, clock),
      });
      return etag;
    },
    async delete(key, { etag }) {
      await ask({ do: "delete", now: clock.now(), key, etag });
    },
    async transaction(operations) {
      await ask({
        do: "transaction",
        now: clock.now(),
        operations: operations.map(toObjectOperation),
      });
    },
    async list(prefix, limit, cursor) {
      const reply = await ask({ do: "list", now: clock.now(), prefix, limit, cursor });
      return "page" in reply ? reply.page : { keys: [] };
    },
    native: () => namespace.getByName(object),
  };

  async function read(keys: readonly string[]) {
    const reply = await ask({ do: "get", now: clock.now(), keys });
    return "items" in reply ? reply.items : [];
  }

  async function ask(request: StateRequest): Promise<StateReply> {
    let reply: StateReply;
    try {
      // A stub that failed once stays broken, so each call takes its own; that costs no round trip.
      reply = await namespace.getByName(object).state(request);
    } catch (cause) {
      throw new ComponentError(
        "unavailable",
        `component ${name}: Durable Object ${object} did not answer: ${messageOf(cause)}`,
        { cause },
      );
    }
    if ("failed" in reply) throw new ComponentError(reply.failed, reply.message);
    return reply;
  }

  function toObjectOperation(operation: StateOperation): ObjectOperation {
    if (operation.operation === "delete") return operation;
    const { key, value, when, ttl } = operation;
    checkSize(key, value);
    return {
      operation: "upsert",
      key,
      value,
      when,
      etag: random.uuid(),
      expires: expiryOf(ttl, clock),
    };
  }

  function checkSize(key: string, value: StoredValue): void {
    const size = "json" in value ? sizeOf(value.json) : value.bytes.byteLength;
    if (size <= MAX_VALUE) return;
    throw new ComponentError(
      "invalid",
      `component ${name}: the value of ${key} is too large for a Durable Object, which takes ${MAX_VALUE} bytes: nothing was written`,
    );
  }
}

/** UTF-8 takes at most three bytes for a UTF-16 unit, so short text need not be encoded to be measured. */
function sizeOf(text: string): number {
  return text.length * 3 <= MAX_VALUE ? text.length : new TextEncoder().encode(text).byteLength;
}

function namespaceOf(
  binding: string | undefined,
  { env, exports }: Host,
  component: string,
): ObjectNamespace<Stub> {
  const namespace = (binding === undefined ? exports.PillionObject : env[binding]) as
    | Partial<ObjectNamespace<Stub>>
    | undefined;
  if (typeof namespace?.getByName === "function") return namespace as ObjectNamespace<Stub>;
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

  [[durable_objects.bindings]]
  name = "${binding}"
  class_name = "PillionObject"
  script_name = "<the Worker that exports PillionObject>"
`;
}
