/** Dapr's table of items in SQLite, which D1 speaks too. */

/** The level that Dapr's own store writes; it would repeat its migrations where it finds another. */
export const MIGRATION = "1";

export const createMetadata = (metadata: string): string =>
  `CREATE TABLE IF NOT EXISTS ${metadata} (key text NOT NULL PRIMARY KEY, value text NOT NULL)`;

export const createTable = (table: string): string =>
  `CREATE TABLE IF NOT EXISTS ${table} (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    is_binary BOOLEAN NOT NULL,
    etag TEXT NOT NULL,
    expiration_time TIMESTAMP DEFAULT NULL,
    update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
  )`;

/** SQLite's text form of seconds since the epoch, in UTC. */
export function format(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** Seconds since the epoch of an item's end. */
export function endOf(end: string | null): number | undefined {
  return end === null ? undefined : Date.parse(`${end.replace(" ", "T")}Z`) / 1000;
}
