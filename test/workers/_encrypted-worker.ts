import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import * as environment from "../../bindings/env.ts";
import { encrypted } from "../../src/blocks/state/encryption.ts";
import { serve } from "../../targets/workers/index.ts";
import app, { clock } from "../conformance/app.ts";

export { PillionObject } from "../../targets/workers/index.ts";

const store = environment.secrets({ prefix: "KEY_" });
const under = (name: string) =>
  encrypted(durableObjects.state({}), { primaryEncryptionKey: { name, store } });

export default serve(app, {
  clock,
  components: { statestore: under("GOOD"), unset: under("NONE") },
});
