import { newFolder, root } from "../harness/folder.ts";
import { startMiniflare } from "../harness/miniflare.ts";
import { interleave, type Row } from "./measure.ts";

const LOOPS = 300;
const ROUNDS = 15;

/** D1 and KV as Miniflare has them: slower than the code around them, as the services are. */
export async function cloudflareStores(): Promise<Row[]> {
  const workers = await startMiniflare({
    workers: {
      ours: `${root}/test/bench/apps/stores-worker.ts`,
      theirs: `${root}/test/bench/apps/bare-stores-worker.ts`,
    },
    folder: newFolder("bench"),
    minify: true,
    d1: ["DB"],
    kv: ["MY_KV"],
  });
  try {
    const rows: Row[] = [];
    for (const [store, name] of Object.entries({ d1: "D1", kv: "Workers KV" })) {
      for (const operation of ["set", "get"]) {
        const path = `${store}/${operation}`;
        const ours = loop(`${workers.urls.ours}/${path}`);
        const theirs = loop(`${workers.urls.theirs}/${path}`);
        for (const warm of [ours, theirs]) await warm();
        rows.push({
          what: `${name}: state.${operation}`,
          reference:
            "the raw worker binding doing the same, its own loop in the same kind of Worker",
          unit: "µs",
          ...(await interleave(ours, theirs, ROUNDS)),
          goal: { ratio: 1.1 },
        });
      }
    }
    return rows;
  } finally {
    await workers.stop();
  }
}

/** Timed from outside: clocks in a Worker stand still while it computes. */
function loop(url: string): () => Promise<number> {
  return async () => {
    const started = performance.now();
    const response = await fetch(`${url}/${LOOPS}`);
    if ((await response.text()) !== "done") throw new Error(`${url} failed`);
    return ((performance.now() - started) * 1000) / LOOPS;
  };
}
