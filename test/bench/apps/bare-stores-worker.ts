import { Hono } from "hono";

/** What one would write by hand for the same statements. */
// biome-ignore lint/suspicious/noExplicitAny: the platform's types are not part of this project's.
const http = new Hono<{ Bindings: any }>();
const table =
  "CREATE TABLE IF NOT EXISTS bare (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, etag TEXT NOT NULL, expiration_time TIMESTAMP DEFAULT NULL, update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";
const now = () => new Date().toISOString().slice(0, 19).replace("T", " ");
const value = () => JSON.stringify({ id: "o-1", item: "saddle" });

http.get("/d1/get/:times", async ({ req, env, text }) => {
  for (let time = Number(req.param("times")); time > 0; time--) {
    const { results } = await env.DB.prepare(
      "SELECT key, value, is_binary, etag, expiration_time FROM bare WHERE key = ?1 AND (expiration_time IS NULL OR expiration_time > ?2)",
    )
      .bind("k", now())
      .all();
    JSON.parse(results[0].value);
  }
  return text("done");
});
http.get("/d1/set/:times", async ({ req, env, text }) => {
  await env.DB.prepare(table).run();
  for (let time = Number(req.param("times")); time > 0; time--) {
    await env.DB.prepare(
      "INSERT OR REPLACE INTO bare (key, value, is_binary, etag, update_time, expiration_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
      .bind("k", value(), 0, crypto.randomUUID(), now(), null)
      .all();
  }
  return text("done");
});
http.get("/kv/get/:times", async ({ req, env, text }) => {
  for (let time = Number(req.param("times")); time > 0; time--) {
    // With the metadata, which say when the item ends.
    const { value } = await env.MY_KV.getWithMetadata("bare", "text");
    JSON.parse(value);
  }
  return text("done");
});
http.get("/kv/set/:times", async ({ req, env, text }) => {
  for (let time = Number(req.param("times")); time > 0; time--)
    await env.MY_KV.put("bare", value());
  return text("done");
});

export default http;
