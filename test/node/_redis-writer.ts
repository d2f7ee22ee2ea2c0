/**
 * A process of its own that writes into Redis: `node _redis-writer.ts ADDRESS once` writes one key;
 * `node _redis-writer.ts ADDRESS update WRITERS TIMES` counts up one key, many at once.
 */
import { ApiError } from "../../src/index.ts";
import { countUp } from "./_counter.ts";
import { runtimeOn } from "./_redis-beds.ts";

const [redisHost = "", mode, writers = "0", times = "0"] = process.argv.slice(2);
let conflicts = 0;
const runtime = runtimeOn(
  { redisHost, redisMaxRetries: 1 },
  {},
  ({ type }) => void (type === "state.conflict" && conflicts++),
);
const state = runtime.blocks.state("store");

if (mode === "once") {
  try {
    await state.set("once", 1);
    process.stdout.write("written\n");
  } catch (error) {
    process.stdout.write(`${ApiError.is(error) ? error.kind : error}\n`);
  }
} else {
  await countUp(state, Number(writers), Number(times));
  process.stdout.write(`conflicts ${conflicts}\n`);
}
await runtime.close();
