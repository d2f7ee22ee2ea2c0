import { newFolder, root } from "../harness/folder.ts";
import { startMiniflare } from "../harness/miniflare.ts";
import { interleave, type Row } from "./measure.ts";

const ROUNDS = 15;
const consumed = { maxBatchSize: 100, maxBatchTimeout: 0 };

/** Queues as Miniflare has them. */
export async function queues(): Promise<Row[]> {
  const workers = await startMiniflare({
    workers: {
      ours: `${root}/test/bench/apps/queues-worker.ts`,
      theirs: `${root}/test/bench/apps/bare-queues-worker.ts`,
    },
    folder: newFolder("bench"),
    minify: true,
    queues: {
      unread: {},
      ours: { ...consumed, consumer: "ours" },
      theirs: { ...consumed, consumer: "theirs" },
    },
  });
  try {
    const rows: Row[] = [];
    for (const [operation, loops] of [
      ["publish", 300],
      ["consume", 2000],
    ] as const) {
      const ours = loop(`${workers.urls.ours}/${operation}`, loops);
      const theirs = loop(`${workers.urls.theirs}/${operation}`, loops);
      for (const warm of [ours, theirs]) await warm();
      rows.push({
        what: `Queues: ${operation}`,
        reference: "the raw worker binding doing the same, its own loop in the same kind of Worker",
        unit: "µs",
        ...(await interleave(ours, theirs, ROUNDS)),
        goal: { ratio: 1.15 },
      });
    }
    return rows;
  } finally {
    await workers.stop();
  }
}

/** Timed from outside: clocks in a Worker stand still while it computes. */
function loop(url: string, loops: number): () => Promise<number> {
  return async () => {
    const started = performance.now();
    const response = await fetch(`${url}/${loops}`);
    if ((await response.text()) !== "done") throw new Error(`${url} failed`);
    return ((performance.now() - started) * 1000) / loops;
  };
}
