import * as memory from "../../dist/bindings/memory.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { cpuPer, interleave, type Row } from "./measure.ts";

const CALLS = 20_000;

/** What the way through core costs on top of the store's own work. */
export async function core(): Promise<Row[]> {
  const host = processHost("node");
  const component = memory.state({ keyPrefix: "none" });
  const store = component.open(host, "raw");
  const plain = createRuntime({ id: "bench", components: { store: component }, host });
  const heard = createRuntime({
    id: "bench",
    components: { store: component },
    host,
    onEvent: () => {},
  });
  const { call } = plain.blocks;
  const value = { id: "o-1", item: "saddle", quantity: 2, status: "placed" };
  const json = JSON.stringify(value);
  await store.set("k", { json }, {}, call);
  for (const runtime of [plain, heard]) await runtime.blocks.state("store").set("k", value);

  const rawGet = cpuPer(CALLS, async () => {
    const item = await store.get("k", { consistency: "strong" }, call);
    return item && "json" in item.value && JSON.parse(item.value.json);
  });
  const rawSet = cpuPer(CALLS, () => store.set("k", { json: JSON.stringify(value) }, {}, call));
  const get = (runtime: typeof plain) =>
    cpuPer(CALLS, () => runtime.blocksFor(call).state("store").get("k"));
  const set = (runtime: typeof plain) =>
    cpuPer(CALLS, () => runtime.blocksFor(call).state("store").set("k", value));

  const row = async (
    what: string,
    ours: () => Promise<number>,
    theirs: () => Promise<number>,
    plus: number,
  ): Promise<Row> => ({
    what: `core: ${what}`,
    reference: "the in-memory store called directly, with the same JSON",
    unit: "µs of CPU",
    ...(await interleave(ours, theirs, 9)),
    goal: { plus },
  });
  return [
    await row("state.get, untraced", get(plain), rawGet, 5),
    await row("state.set, untraced", set(plain), rawSet, 5),
    await row("state.get, with a listener", get(heard), rawGet, 10),
  ];
}
