import type { DatabaseSync, StatementSync } from "node:sqlite";
import { config } from "./_config.ts";
import { levelOf, transact } from "./_sqlite.ts";

/** The level of the tables below. */
const LEVEL = "1";
const METADATA = '"pubsub_metadata"';

/**
 * A message is kept once, and waits as one delivery per group. While it is leased, `due` is the end of the lease; while an
 * earlier one with its key is there, it is `blocked` and in no index that a claim reads. Triggers keep what must hold
 * whoever deletes: the next of a key is let go, and a message goes with its last delivery.
 */
const SCHEMA = `
  CREATE TABLE ${METADATA} (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
  INSERT INTO ${METADATA} VALUES ('migrations', '${LEVEL}');
  CREATE TABLE pubsub_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    prefix TEXT,
    UNIQUE (topic, consumer)
  );
  CREATE TABLE pubsub_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    data BLOB NOT NULL,
    metadata TEXT
  );
  CREATE TABLE pubsub_deliveries (
    message INTEGER NOT NULL,
    consumers INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    lease TEXT,
    expires INTEGER,
    ordering_key TEXT,
    blocked INTEGER NOT NULL,
    PRIMARY KEY (message, consumers)
  ) WITHOUT ROWID;
  CREATE INDEX pubsub_due ON pubsub_deliveries (consumers, due, message) WHERE blocked = 0;
  CREATE INDEX pubsub_keys ON pubsub_deliveries (consumers, ordering_key, message) WHERE ordering_key IS NOT NULL;
  CREATE INDEX pubsub_expiry ON pubsub_deliveries (expires) WHERE expires IS NOT NULL AND lease IS NULL;
  CREATE TRIGGER pubsub_dropped AFTER DELETE ON pubsub_groups BEGIN
    DELETE FROM pubsub_deliveries WHERE consumers = OLD.id;
  END;
  CREATE TRIGGER pubsub_next AFTER DELETE ON pubsub_deliveries WHEN OLD.ordering_key IS NOT NULL BEGIN
    UPDATE pubsub_deliveries SET blocked = 0
      WHERE consumers = OLD.consumers AND blocked = 1 AND message = (
        SELECT min(message) FROM pubsub_deliveries
          WHERE consumers = OLD.consumers AND ordering_key = OLD.ordering_key);
  END;
  CREATE TRIGGER pubsub_done AFTER DELETE ON pubsub_deliveries
    WHEN NOT EXISTS (SELECT 1 FROM pubsub_deliveries WHERE message = OLD.message) BEGIN
    DELETE FROM pubsub_messages WHERE id = OLD.message;
  END;`;

/** Makes the tables where they are missing. */
export function migrate(database: DatabaseSync, component: string): void {
  if (levelOf(database, METADATA) === LEVEL) return;
  transact(database, "EXCLUSIVE", () => {
    // Another process may have been first while this one waited.
    const level = levelOf(database, METADATA);
    if (level === undefined) return database.exec(SCHEMA);
    if (level === LEVEL) return;
    throw config(
      component,
      `table ${METADATA} is at migration ${level}, and this version knows ${LEVEL}: upgrade pillion`,
    );
  });
}

export type Statements = ReturnType<typeof prepare>;

/** The time is a parameter of every statement, so that SQLite's own clock decides nothing. */
export function prepare(database: DatabaseSync) {
  const statement = (sql: string): StatementSync => database.prepare(sql);
  const held = "message = ? AND consumers = ? AND lease = ?";
  return {
    // Writes nothing, and fails where nothing can be written.
    probe: statement("UPDATE pubsub_groups SET topic = topic WHERE id = -1"),
    // A write also where the group is there, so that a file that cannot be written is found out.
    group: statement(
      `INSERT INTO pubsub_groups (topic, consumer, prefix) VALUES (?, ?, ?)
       ON CONFLICT (topic, consumer) DO UPDATE SET prefix = excluded.prefix RETURNING id`,
    ),
    groups: statement(
      `SELECT id FROM pubsub_groups WHERE topic = ?1 UNION
       SELECT id FROM pubsub_groups WHERE length(?1) > length(prefix) AND substr(?1, 1, length(prefix)) = prefix`,
    ),
    addMessage: statement("INSERT INTO pubsub_messages (topic, data, metadata) VALUES (?, ?, ?)"),
    addDelivery: statement(
      `INSERT INTO pubsub_deliveries (message, consumers, due, attempt, expires, ordering_key, blocked)
       VALUES (?1, ?2, ?3, 0, ?4, ?5, EXISTS (
         SELECT 1 FROM pubsub_deliveries WHERE consumers = ?2 AND ordering_key = ?5))`,
    ),
    nextDue: statement(
      "SELECT due FROM pubsub_deliveries WHERE consumers = ? AND blocked = 0 ORDER BY due LIMIT 1",
    ),
    due: statement(
      `SELECT message, due, expires FROM pubsub_deliveries
       WHERE consumers = ? AND blocked = 0 AND due <= ? ORDER BY due, message LIMIT ?`,
    ),
    lease: statement(
      "UPDATE pubsub_deliveries SET due = ?, lease = ?, attempt = attempt + 1 WHERE message = ? AND consumers = ?",
    ),
    read: statement(
      `SELECT topic, data, metadata, attempt, ordering_key FROM pubsub_deliveries JOIN pubsub_messages ON id = message WHERE ${held}`,
    ),
    done: statement(`DELETE FROM pubsub_deliveries WHERE ${held}`),
    again: statement(`UPDATE pubsub_deliveries SET due = ?, lease = NULL WHERE ${held}`),
    back: statement(
      `UPDATE pubsub_deliveries SET due = ?, lease = NULL, attempt = attempt - 1 WHERE ${held}`,
    ),
    over: statement("DELETE FROM pubsub_deliveries WHERE message = ? AND consumers = ?"),
    expired: statement(
      "SELECT message, consumers FROM pubsub_deliveries WHERE lease IS NULL AND expires <= ? LIMIT ?",
    ),
  };
}
