import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as component from "../../dist/bindings/node/sqlite.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { newFolder } from "../harness/folder.ts";
import { cpuPer, type Figures, interleave, type Row, timePer } from "./measure.ts";

export async function sqlite(): Promise<Row[]> {
  const folder = newFolder("bench");
  const components = { store: component.state({ connectionString: join(folder, "ours.db") }) };
  await using runtime = createRuntime({ id: "bench", components, host: processHost("node") });
  const state = runtime.blocks.state("store");
  const value = { id: "o-1", text: "x".repeat(900) };
  await state.set("k", value);

  const raw = new DatabaseSync(join(folder, "raw.db"));
  raw.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  raw.exec(
    "CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, etag TEXT NOT NULL, expiration_time TIMESTAMP, update_time TIMESTAMP NOT NULL)",
  );
  const now = () => new Date().toISOString().slice(0, 19).replace("T", " ");
  const insert = raw.prepare(
    "INSERT OR REPLACE INTO state (key, value, is_binary, etag, update_time, expiration_time) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const select = raw.prepare(
    "SELECT key, value, is_binary, etag, expiration_time FROM state WHERE key = ? AND (expiration_time IS NULL OR expiration_time > ?)",
  );
  const rawSet = async () =>
    void insert.run("bench||k", JSON.stringify(value), 0, randomUUID(), now(), null);
  const rawGet = async () => JSON.parse(select.get("bench||k", now())?.value as string);
  await rawSet();

  const row = async (what: string, figures: Promise<Figures>, unit = "µs"): Promise<Row> => ({
    what: `SQLite: ${what}`,
    reference: "the same statement through node:sqlite, synchronous=FULL on both sides",
    unit,
    ...(await figures),
    goal: { plus: 5 },
  });
  const set = () => state.set("k", value);
  return [
    await row(
      "state.get",
      interleave(
        timePer(5000, () => state.get("k")),
        timePer(5000, rawGet),
        9,
      ),
    ),
    await row("state.set", interleave(timePer(500, set), timePer(500, rawSet), 25)),
    await row("state.set", interleave(cpuPer(500, set), cpuPer(500, rawSet), 25), "µs of CPU"),
  ];
}
