/**
 * A process of its own that writes into a SQLite file: `node _writer.ts FILE write FROM COUNT` writes keys and
 * says each acknowledged one; `node _writer.ts FILE update WRITERS TIMES` counts up one key, many at once.
 */
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { countUp } from "./_counter.ts";

const [file = "", mode, first = "0", second = "0"] = process.argv.slice(2);
let conflicts = 0;
const runtime = createRuntime({
  id: "writer",
  components: { store: sqlite.state({ connectionString: file, busyTimeout: 20 }) },
  host: processHost("node"),
  onEvent: ({ type }) => {
    if (type === "state.conflict") conflicts++;
  },
});
const state = runtime.blocks.state("store");

if (mode === "write") {
  const from = Number(first);
  for (let n = from; n < from + Number(second); n++) {
    await state.set(`key-${n}`, { n });
    // One write call per line: what was printed before the kill had been acknowledged.
    process.stdout.write(`${n}\n`);
  }
} else {
  await countUp(state, Number(first), Number(second));
  process.stdout.write(`conflicts ${conflicts}\n`);
}
await runtime.close();
