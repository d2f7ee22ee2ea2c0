import { connect } from "node:net";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningWorkers, startWorkers } from "../harness/workers.ts";
import { interleave, type Row } from "./measure.ts";

const LOOPS = 1000;
const REQUESTS = 10_000;
const CONNECTIONS = 16;

export async function workers(): Promise<Row[]> {
  const start = (name: string) =>
    startWorkers({
      entry: `${root}/test/bench/apps/${name}.ts`,
      folder: newFolder("bench"),
      minify: true,
    });
  const [ours, theirs] = [await start("worker"), await start("bare-worker")];
  try {
    return await measure(ours, theirs);
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
}

async function measure(ours: RunningWorkers, theirs: RunningWorkers): Promise<Row[]> {
  for (const { url } of [ours, theirs]) {
    await load(url);
    for (const operation of ["set", "get"]) await loop(url, operation)();
  }
  const untouched = "the same Hono app without pillion, 16 connections";
  const byHand =
    "a Durable Object written by hand with the same SQL, its own loop in the same kind of Worker";
  return [
    {
      what: "Workers: a request that touches no block, requests/s",
      reference: untouched,
      unit: "requests/s",
      ...(await interleave(
        () => load(ours.url),
        () => load(theirs.url),
        15,
      )),
      goal: { atLeast: 0.95 },
    },
    {
      what: "Durable Object: state.get",
      reference: byHand,
      unit: "µs",
      ...(await interleave(loop(ours.url, "get"), loop(theirs.url, "get"), 9)),
      goal: { ratio: 1.15 },
    },
    {
      what: "Durable Object: state.set",
      reference: byHand,
      unit: "µs",
      ...(await interleave(loop(ours.url, "set"), loop(theirs.url, "set"), 9)),
      goal: { ratio: 1.15 },
    },
  ];
}

/** Timed from outside: clocks in a Worker stand still while it computes. */
function loop(url: string, operation: string): () => Promise<number> {
  return async () => {
    const started = performance.now();
    const response = await fetch(`${url}/${operation}/${LOOPS}`);
    if ((await response.text()) !== "done") throw new Error(`${operation} failed`);
    return ((performance.now() - started) * 1000) / LOOPS;
  };
}

/** Requests per second over kept-alive connections, by a client that only counts answers: a real one would be the limit. */
async function load(url: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const text = `GET / HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`;
  let left = REQUESTS;
  const started = performance.now();
  const client = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname, next);
      socket.setNoDelay(true);
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        if (chunk.includes("world")) next();
      });
      function next() {
        if (left-- > 0) socket.write(text);
        else {
          socket.destroy();
          resolve();
        }
      }
    });
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return (REQUESTS * 1000) / (performance.now() - started);
}
