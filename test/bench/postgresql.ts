import { randomUUID } from "node:crypto";
import pg from "pg";
import * as component from "../../dist/bindings/node/postgresql.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { postgresqls, startPostgreSQL } from "../harness/postgresql.ts";
import { cpuPer, type Figures, interleave, type Row, timePer } from "./measure.ts";

const END =
  "date_trunc('second', clock_timestamp() + interval '999999 microseconds') + $4::int * interval '1 second'";

/** The statements that the component makes, written by hand for the driver's own pool. */
const SET = {
  name: "set",
  text: `INSERT INTO state AS t (key, value, etag, expires_at) VALUES ($1, $2::bytea, $3::uuid, ${END}) ON CONFLICT (key) DO UPDATE SET value = excluded.value, etag = excluded.etag, updated_at = clock_timestamp(), expires_at = ${END}`,
};
const GET = {
  name: "get",
  text: "SELECT value, etag, ceil(extract(epoch FROM expires_at)) FROM state WHERE key = $1 AND (expires_at IS NULL OR expires_at > now())",
};

export async function postgresql(): Promise<Row[]> {
  if (postgresqls().length === 0) {
    process.stderr.write("PostgreSQL is left out: it is not installed\n");
    return [];
  }
  const server = await startPostgreSQL();
  const store = component.state({ connectionString: server.url() });
  const pool = new pg.Pool({ connectionString: server.url() });
  // Its end does not wait for the connections', which the server's may come before.
  pool.on("error", () => {});
  try {
    await using runtime = createRuntime({
      id: "bench",
      components: { store },
      host: processHost("node"),
    });
    return await measure(runtime.blocks.state("store"), pool);
  } finally {
    await pool.end();
    await server.remove();
  }
}

type State = ReturnType<ReturnType<typeof createRuntime>["blocks"]["state"]>;

async function measure(state: State, pool: pg.Pool): Promise<Row[]> {
  const value = { id: "o-1", text: "x".repeat(1000) };
  const rawSet = () =>
    pool.query({
      ...SET,
      values: ["bench||raw", Buffer.from(JSON.stringify(value)), randomUUID(), null],
    });
  const rawGet = async () => {
    const { rows } = await pool.query<{ value: Buffer }>({ ...GET, values: ["bench||raw"] });
    return JSON.parse(rows[0]?.value.toString() as string);
  };
  const set = () => state.set("k", value);
  const get = () => state.get("k");
  await set();
  for (let time = 0; time < 500; time++) await Promise.all([set(), rawSet()]);
  const row = async (what: string, figures: Promise<Figures>, unit = "µs"): Promise<Row> => ({
    what: `PostgreSQL: ${what}`,
    reference: "the same statement through pg's Pool, prepared by name, 1 KB",
    unit,
    ...(await figures),
    goal: { ratio: 1.15 },
  });
  const pairs = [
    ["state.get", get, rawGet],
    ["state.set", set, rawSet],
  ] as const;
  const rows: Row[] = [];
  for (const [what, ours, raw] of pairs) {
    rows.push(
      await row(what, interleave(timePer(1000, ours), timePer(1000, raw), 15)),
      await row(what, interleave(cpuPer(1000, ours), cpuPer(1000, raw), 15), "µs of CPU"),
    );
  }
  return rows;
}
