/** A client in a process of its own that counts up one key, many at once: `node _writer.ts ENDPOINT TRANSPORT WRITERS TIMES`. */
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { component, type Transports } from "./_beds.ts";

const [endpoint = "", transport, writers, times] = process.argv.slice(2);
let conflicts = 0;
const runtime = createRuntime({
  id: "race",
  components: { store: component(transport as Transports, endpoint, { table: "race" }) },
  host: processHost("node"),
  onEvent: ({ type }) => {
    if (type === "state.conflict") conflicts++;
  },
});
const state = runtime.blocks.state("store");
const count = async () => {
  for (let time = 0; time < Number(times); time++) {
    await state.update("counter", (value: number | undefined) => (value ?? 0) + 1, {
      attempts: 1000,
    });
  }
};
await Promise.all(Array.from({ length: Number(writers) }, count));
process.stdout.write(`conflicts ${conflicts}\n`);
await runtime.close();
process.exit(0);
