import { DurableObject, exports } from "cloudflare:workers";
import { Hono } from "hono";
import { routes } from "./routes.ts";

/** What one would write by hand for the same two statements. Named as pillion's so that one configuration serves both. */
export class PillionObject extends DurableObject {
  #sql;
  // biome-ignore lint/suspicious/noExplicitAny: the platform's types are not part of this project's.
  constructor(context: any, env: unknown) {
    super(context, env);
    this.#sql = context.storage.sql;
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value ANY NOT NULL, etag TEXT NOT NULL, expires INTEGER) WITHOUT ROWID, STRICT",
    );
  }
  async read(key: string, now: number) {
    return this.#sql
      .exec(
        "SELECT value, etag, expires FROM state WHERE key = ? AND (expires IS NULL OR expires > ?)",
        key,
        now,
      )
      .toArray()[0];
  }
  async write(key: string, value: string, etag: string) {
    this.#sql.exec(
      "INSERT OR REPLACE INTO state (key, value, etag, expires) VALUES (?, ?, ?, ?)",
      key,
      value,
      etag,
      null,
    );
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the platform's types are not part of this project's.
const object = () => (exports as any).PillionObject.getByName("state");
const http = new Hono();
http.get("/get/:times", async (c) => {
  for (let time = Number(c.req.param("times")); time > 0; time--) {
    const row = await object().read("k", Math.floor(Date.now() / 1000));
    JSON.parse(row.value);
  }
  return c.text("done");
});
http.get("/set/:times", async (c) => {
  for (let time = Number(c.req.param("times")); time > 0; time--) {
    await object().write("k", JSON.stringify({ id: "o-1", item: "saddle" }), crypto.randomUUID());
  }
  return c.text("done");
});

export default routes(http);
