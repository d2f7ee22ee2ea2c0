import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";

/** The parts of dynalite that are used, which has no types of its own and no interface to them. */
const require = createRequire(import.meta.url);
const whole: (options: object) => { listeners(event: "request"): Handler[] } = require("dynalite");
const db: Db = require("dynalite/db");
const validations: Validations = require("dynalite/validations");

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;
export type Row = Record<string, { S?: string; N?: string; B?: string }>;
/** dynalite's callbacks. */
type Done<T = unknown> = (error?: Error | null, result?: T) => void;

interface Db {
  create(options: object): RawStore;
  checkConditional(data: Record<string, unknown>, item: Row | undefined): Fault | null | undefined;
  createKey(item: Row, table: object): string;
  itemSize(item: Row): number;
}

interface Validations {
  checkTypes(data: object, types: object): Record<string, unknown>;
  checkValidations(data: object, types: object, custom: unknown, store: RawStore): void;
}

/** What an action reads and writes items by. */
export interface ItemDb {
  lock(key: string | string[], work: (release: (done: Done) => Done) => void): void;
  get(key: string, done: Done<Row>): void;
  put(key: string, item: Row, done: Done): void;
  del(key: string, done: Done): void;
  batch(operations: readonly object[], done: Done): void;
}

export interface RawStore {
  getTable(name: string, done: Done<object>): void;
  getItemDb(name: string): ItemDb;
  getIndexDb(type: string, table: string, index: string): ItemDb;
  readonly options: object;
}

export interface Store {
  readonly raw: RawStore;
  table(name: string): Promise<object>;
}

/** An error in the form that dynalite answers with. */
export class Fault extends Error {
  readonly statusCode = 400;
  readonly body: Record<string, unknown>;

  constructor(name: string, message: string, more: object = {}) {
    super(message);
    this.body = { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message, ...more };
  }
}

const ALL_OLD = "ReturnValuesOnConditionCheckFailure";
for (const action of ["putItem", "deleteItem", "updateItem"]) {
  const { types } = require(`dynalite/validations/${action}`) as { types: Record<string, object> };
  types[ALL_OLD] = { type: "String", enum: ["ALL_OLD", "NONE"] };
}
const checkConditional = db.checkConditional;
db.checkConditional = (data, item) => {
  const fault = checkConditional(data, item);
  if (fault && item && data[ALL_OLD] === "ALL_OLD") fault.body.Item = item;
  return fault;
};

/** A store, and dynalite's own answering of requests to it. */
export function dynalite(): { store: Store; handle: Handler } {
  const create = db.create;
  let raw: RawStore | undefined;
  db.create = (options) => {
    raw = create(options);
    return raw;
  };
  const [handle] = whole({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 }).listeners(
    "request",
  );
  db.create = create;
  if (!raw || !handle)
    throw new Error("this is not dynalite 4.0.0: _dynalite-parts.ts must follow it");
  const made = raw;
  return {
    handle,
    store: { raw: made, table: (name) => settled((done) => made.getTable(name, done)) },
  };
}

/** Checks a request as dynalite does, and adds to it what its actions expect there. */
export function validated(action: string, input: object, store: RawStore): Record<string, unknown> {
  const { types, custom } = require(`dynalite/validations/${action}`) as {
    types: object;
    custom: unknown;
  };
  const data = validations.checkTypes(structuredClone(input), types);
  validations.checkValidations(data, types, custom, store);
  return data;
}

export function perform(action: string, store: RawStore, data: object): Promise<unknown> {
  const run: (store: RawStore, data: object, done: Done) => void = require(
    `dynalite/actions/${action}`,
  );
  return settled((done) => run(store, data, done));
}

export function settled<T>(run: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    run((error, result) => (error ? reject(error) : resolve(result as T)));
  });
}

export const createKey = db.createKey;
export const itemSize = db.itemSize;
