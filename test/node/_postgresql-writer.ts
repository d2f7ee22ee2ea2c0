/**
 * A process of its own that writes into PostgreSQL: `node _postgresql-writer.ts VERSION URL update WRITERS TIMES`
 * counts up one key, many at once; `… once` writes a key and says how; `… once close` closes before it ends.
 */
import * as postgresql from "../../bindings/node/postgresql.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { countUp } from "./_counter.ts";

const [version, connectionString, mode, first, second] = process.argv.slice(2);
const make = version === "v1" ? postgresql.stateV1 : postgresql.state;
let conflicts = 0;
const runtime = createRuntime({
  id: "app",
  components: { store: make({ connectionString }) },
  host: processHost("node"),
  onEvent: ({ type }) => {
    if (type === "state.conflict") conflicts++;
  },
});
const state = runtime.blocks.state("store");

if (mode === "once") {
  await state.set("once", 1);
  if (first === "close") {
    await runtime.close();
    await runtime.close();
  }
  process.stdout.write("done\n");
} else {
  await countUp(state, Number(first), Number(second));
  process.stdout.write(`conflicts ${conflicts}\n`);
  await runtime.close();
}
