/** The columns in which the two layouts differ. */
export interface Columns {
  /** Quoted, with its schema if it has one. */
  readonly table: string;
  /** What a write sets, in the order of its parameters 2 and 3, with their types. */
  readonly written: readonly [string, string];
  /** The value as an expression whose text no setting of the session changes. */
  readonly value: string;
  readonly types: readonly [string, string];
  /** The ETag as an expression, and its type. */
  readonly etag: string;
  readonly etagType: string;
  readonly expires: string;
  readonly updated: string;
  /** Columns that a read needs besides value, ETag and expiry. */
  readonly marks: readonly string[];
  /** Whether the server makes the ETag, so that a write must answer it. */
  readonly returns: boolean;
}

/** SQL by purpose. Parameter 1 is the key, or all keys. */
export type Texts = ReturnType<typeof textsOf>;

/**
 * The statements mean what Dapr's mean. The server's clock decides, as it is when a row is looked at: a statement
 * may have waited for another's lock.
 */
export function textsOf(columns: Columns) {
  const { table, written, value, types, etag, etagType, expires, updated, marks, returns } =
    columns;
  const names = `key, ${written.join(", ")}, ${expires}`;
  const row = `$1, $2::${types[0]}, $3::${types[1]}, ${end("$4::int")}`;
  const changed = [
    ...written.map((name) => `${name} = excluded.${name}`),
    `${updated} = clock_timestamp()`,
  ].join(", ");
  const answer = returns ? ` RETURNING ${etag}` : "";
  const read = [value, etag, `ceil(extract(epoch FROM ${expires}))`, ...marks].join(", ");
  const alive = `(${expires} IS NULL OR ${expires} > now())`;
  const over = `t.${expires} <= clock_timestamp()`;
  const matches = (parameter: string) =>
    `key = $1 AND ${etag} = ${parameter}::${etagType} AND (${expires} IS NULL OR ${expires} > clock_timestamp())`;
  const upsert = `INSERT INTO ${table} AS t (${names}) VALUES (${row}) ON CONFLICT (key) DO UPDATE SET ${changed}, ${expires} = ${end("$4::int")}`;

  return {
    get: `SELECT ${read} FROM ${table} WHERE key = $1 AND ${alive}`,
    getBulk: `SELECT ${read}, key FROM ${table} WHERE key = ANY ($1::text[]) AND ${alive}`,
    set: upsert + answer,
    // An expired row gives way; a living one makes the insert change nothing.
    insert: `${upsert} WHERE ${over}${answer}`,
    update: `UPDATE ${table} SET ${written[0]} = $2, ${written[1]} = $3, ${updated} = clock_timestamp(), ${expires} = ${end("$4::int")} WHERE ${matches("$5")}${answer}`,
    delete: `DELETE FROM ${table} WHERE key = $1`,
    deleteMatch: `DELETE FROM ${table} WHERE ${matches("$2")}`,
    list: list('key COLLATE "C" < $4'),
    listToEnd: list("$4::text IS NULL"),
    transaction: transaction(columns, names, changed, over),
    // Rows that somebody is writing are theirs; to wait for them could be a deadlock.
    clean: `DELETE FROM ${table} AS t USING (SELECT key FROM ${table} WHERE ${expires} < now() LIMIT $1::int FOR UPDATE SKIP LOCKED) AS over WHERE t.key = over.key`,
  };

  /** By bytes, which is by code point: an index on (key COLLATE "C") serves it, the primary key's own does not. */
  function list(below: string): string {
    return `SELECT key FROM ${table} WHERE key COLLATE "C" >= $1 AND key COLLATE "C" > $2 AND ${below} AND ${alive} ORDER BY key COLLATE "C" LIMIT $3::int`;
  }
}

/** When an item ends: a whole second, up to a second late, never early. */
function end(ttl: string): string {
  return `date_trunc('second', clock_timestamp() + interval '999999 microseconds') + ${ttl} * interval '1 second'`;
}

/**
 * All operations in one statement, so in one round trip and all or none: it locks what is there in the order of the
 * keys, looks for conditions that do not hold, and writes if there are none. Answers the first key whose condition
 * does not hold. A row to insert that came up in between is a division by zero: nothing is written, and whoever
 * tries again sees the row.
 * Parameters: keys, conditions ('', 'absent' or an ETag), the two written columns, times to live; a null in the
 * first written column deletes.
 */
function transaction(columns: Columns, names: string, changed: string, over: string): string {
  const { table, written, types, etag, expires } = columns;
  const [first, second] = written;
  return `WITH op AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::${types[0]}[], $4::${types[1]}[], $5::int[])
    AS op (key, condition, ${first}, ${second}, ttl)
), held AS MATERIALIZED (
  SELECT t.key, t.${etag}::text AS etag FROM ${table} AS t
  WHERE t.key = ANY ($1::text[]) AND (t.${expires} IS NULL OR t.${expires} > clock_timestamp())
  ORDER BY t.key COLLATE "C" FOR UPDATE
), stale AS MATERIALIZED (
  SELECT op.key FROM op LEFT JOIN held ON held.key = op.key
  WHERE CASE op.condition WHEN '' THEN false WHEN 'absent' THEN held.key IS NOT NULL
    ELSE held.etag IS DISTINCT FROM op.condition END
), upserted AS (
  INSERT INTO ${table} AS t (${names})
  SELECT key, ${first}, ${second}, ${end("ttl")} FROM op
  WHERE ${first} IS NOT NULL AND NOT EXISTS (SELECT FROM stale) ORDER BY key COLLATE "C"
  ON CONFLICT (key) DO UPDATE SET ${changed}, ${expires} = excluded.${expires}
  WHERE ${over} OR t.key NOT IN (SELECT key FROM op WHERE condition = 'absent')
  RETURNING 1
), deleted AS (
  DELETE FROM ${table} AS t USING op
  WHERE t.key = op.key AND op.${first} IS NULL AND NOT EXISTS (SELECT FROM stale)
)
SELECT (SELECT min(key COLLATE "C") FROM stale),
  1 / CASE WHEN EXISTS (SELECT FROM stale) THEN 1
    WHEN (SELECT count(*) FROM upserted) = (SELECT count(${first}) FROM op) THEN 1 ELSE 0 END`;
}
