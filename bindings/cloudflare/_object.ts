/** The parts of Durable Objects that pillion uses, typed so that Cloudflare's own types fit. */
export interface ObjectContext {
  readonly storage: ObjectStorage;
}

export interface ObjectStorage {
  readonly sql: {
    exec(query: string, ...bindings: (string | number | ArrayBuffer | null)[]): SqlCursor;
  };
  transactionSync<T>(work: () => T): T;
  getAlarm(): Promise<number | null>;
  setAlarm(time: number): Promise<void>;
}

export interface SqlCursor {
  toArray(): Record<string, SqlValue>[];
  readonly rowsWritten: number;
}

export type SqlValue = string | number | ArrayBuffer | null;

/** A namespace of Durable Objects, as an `env` entry or as one of the module's own exports. */
export interface ObjectNamespace<Stub> {
  getByName(name: string): Stub;
}
