import * as kv from "../../bindings/cloudflare/kv.ts";
import { serve } from "../../targets/workers/index.ts";
import { movableClock } from "../harness/clock.ts";
import { driven } from "./_driven.ts";

interface Namespace {
  put(key: string, value: string | Uint8Array, options?: object): Promise<void>;
  getWithMetadata(
    key: string,
    type: "arrayBuffer",
  ): Promise<{ value: ArrayBuffer | null; metadata: unknown }>;
  list(): Promise<{ keys: { name: string; expiration?: number }[] }>;
}

const clock = movableClock();
const app = driven(clock, (env) => {
  const namespace = env.MY_KV as unknown as Namespace;
  return {
    put: (key: string, value: string | Uint8Array, options?: object) =>
      namespace.put(key, value, options),
    async get(key: string) {
      const { value, metadata } = await namespace.getWithMetadata(key, "arrayBuffer");
      return value && { value: new Uint8Array(value), metadata };
    },
    list: async () => (await namespace.list()).keys,
  };
});

export default serve(app, {
  clock,
  components: {
    statestore: kv.state({
      kvNamespaceID: "MY_KV",
      // What a YAML for Dapr names too.
      workerUrl: "https://kv.example",
      workerName: "kv",
      key: "private",
      cfAPIToken: "token",
      cfAccountID: "account",
      timeoutInSeconds: "20",
    }),
    bare: kv.state({ kvNamespaceID: "MY_KV", keyPrefix: "none" }),
  },
});
