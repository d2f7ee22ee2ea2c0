import type { Connection, PoolClient, Submittable } from "pg";
import type { Row } from "./_postgresql-layouts.ts";

/** A statement, with a name where the server is to keep it prepared for the connection's life. */
export interface Statement {
  readonly name?: string | undefined;
  readonly text: string;
  /** It changes something: when its answer is lost, so is the knowledge whether it did. */
  readonly writes?: boolean;
}

export interface Answer {
  readonly rows: readonly Row[];
  /** Rows read or changed. */
  readonly count: number;
}

export type Parameter = string | number | boolean | Buffer | null | readonly Parameter[];

export function ask(
  client: PoolClient,
  statement: Statement,
  values: readonly Parameter[] = [],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client.query(new Exchange(statement, values, resolve, reject));
  });
}

/** What the driver's connection remembers of named statements; the first are known to be good. */
interface Prepared {
  readonly parsedStatements: Record<string, string>;
}

/**
 * One statement in the driver's queue, in place of the driver's own query: it does not ask for a description of the
 * rows, which are known, and takes them as the texts that the server sends. Half of the driver's work is saved.
 */
class Exchange implements Submittable, Answer {
  readonly name: string | undefined;
  readonly text: string;
  readonly rows: Row[] = [];
  count = 0;
  readonly #values: readonly Parameter[];
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    { name, text }: Statement,
    values: readonly Parameter[],
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ) {
    this.name = name;
    this.text = text;
    this.#values = values;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): void {
    const { name = "", text } = this;
    const { parsedStatements } = connection as unknown as Prepared;
    connection.stream.cork();
    try {
      if (parsedStatements[name] === undefined) connection.parse({ name, text, types: [] }, true);
      const values = this.#values.map(encode);
      connection.bind({ statement: name, values }, true);
      connection.execute(null, true);
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  handleDataRow({ fields }: { readonly fields: Row }): void {
    this.rows.push(fields);
  }

  /** Such as `SELECT 1` and `INSERT 0 1`: the number at the end. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.count = Number(text.slice(text.lastIndexOf(" ") + 1)) || 0;
  }

  handleReadyForQuery(): void {
    this.#resolve(this);
  }

  handleError(error: unknown): void {
    this.#reject(error);
  }
}

function encode(value: Parameter): string | Buffer | null {
  if (value === null || typeof value === "string" || Buffer.isBuffer(value)) return value;
  return Array.isArray(value) ? `{${value.map(element).join(",")}}` : String(value);
}

function element(value: Parameter): string {
  if (value === null) return "NULL";
  const text = Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : String(value);
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
