import {
  createKey,
  Fault,
  type ItemDb,
  itemSize,
  perform,
  type RawStore,
  type Row,
  type Store,
  settled,
  validated,
} from "./_dynalite-parts.ts";

const MAX_ACTIONS = 100;
const MAX_BYTES = 4 * 1024 * 1024;

interface Action {
  readonly name: string;
  readonly input: Record<string, unknown>;
  readonly table: string;
  readonly key: string;
}

/** A write that an action made and that waits for all the others. */
interface Write {
  readonly database: ItemDb;
  readonly entry: object;
}

/** dynalite's action for each kind; ConditionCheck is a delete whose write is dropped. */
const kinds: Record<string, string> = {
  Put: "putItem",
  Delete: "deleteItem",
  Update: "updateItem",
  ConditionCheck: "deleteItem",
};

export function createTransactions(
  store: Store,
): (input: Record<string, unknown>) => Promise<object> {
  const tokens = new Map<string, string>();
  // One at a time: a transaction that meets another one waits, where AWS cancels one of the two.
  let last: Promise<unknown> = Promise.resolve();
  return (input) => {
    const next = last.then(() => transact(input));
    last = next.catch(() => undefined);
    return next;
  };

  async function transact(input: Record<string, unknown>): Promise<object> {
    const { TransactItems, ClientRequestToken: token } = input as {
      TransactItems?: object[];
      ClientRequestToken?: string;
    };
    const text = JSON.stringify(TransactItems);
    if (token !== undefined && tokens.has(token)) {
      if (tokens.get(token) === text) return {};
      throw new Fault(
        "IdempotentParameterMismatchException",
        "The token was used with other parameters",
      );
    }
    const actions = await actionsOf(TransactItems ?? []);
    checkActions(actions, text);
    await locked(actions, () => apply(actions));
    if (token !== undefined) tokens.set(token, text);
    return {};
  }

  async function actionsOf(items: readonly object[]): Promise<Action[]> {
    if (items.length < 1 || items.length > MAX_ACTIONS) {
      throw new Fault(
        "ValidationException",
        `Member must have length less than or equal to ${MAX_ACTIONS}, and at least 1`,
      );
    }
    return Promise.all(
      items.map(async (item) => {
        const [[name, input] = ["", {}], ...others] = Object.entries(item) as [
          string,
          Record<string, unknown>,
        ][];
        if (!kinds[name] || others.length > 0)
          throw new Fault(
            "ValidationException",
            "TransactItems can only contain one of Check, Put, Update or Delete",
          );
        const table = String(input.TableName);
        const schema = await store.table(table);
        return { name, input, table, key: createKey((input.Item ?? input.Key) as Row, schema) };
      }),
    );
  }

  /** Holds the lock of every item, so that no single write comes between a condition and its write. */
  function locked(actions: readonly Action[], work: () => Promise<void>): Promise<void> {
    const tables = [...new Set(actions.map(({ table }) => table))].sort();
    return settled((done) => next(0, (error) => done(error)));

    function next(index: number, done: (error?: Error | null) => void): void {
      const table = tables[index];
      if (table === undefined) return void work().then(() => done(), done);
      const wanted = actions.filter((action) => action.table === table).map(({ key }) => key);
      store.raw.getItemDb(table).lock(wanted, (release) => next(index + 1, release(done)));
    }
  }

  async function apply(actions: readonly Action[]): Promise<void> {
    const writes: Write[] = [];
    const reasons: object[] = [];
    for (const action of actions) reasons.push(await attempt(action, writes));
    if (reasons.some((reason) => (reason as { Code: string }).Code !== "None")) {
      const codes = reasons.map((reason) => (reason as { Code: string }).Code).join(", ");
      const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
      throw new Fault("TransactionCanceledException", message, { CancellationReasons: reasons });
    }
    for (const database of new Set(writes.map((write) => write.database))) {
      const entries = writes
        .filter((write) => write.database === database)
        .map(({ entry }) => entry);
      await settled((done) => database.batch(entries, done));
    }
  }

  /** Runs dynalite's own action against a store that keeps its writes back; the reason it would be cancelled for. */
  async function attempt({ name, input }: Action, writes: Write[]): Promise<object> {
    const action = kinds[name] as string;
    const kept: Write[] = [];
    try {
      await perform(action, keepingBack(store.raw, kept), validated(action, input, store.raw));
    } catch (error) {
      const body = (error as Partial<Fault>).body;
      if (!body) throw error;
      const failed = String(body.__type).endsWith("ConditionalCheckFailedException");
      return {
        Code: failed ? "ConditionalCheckFailed" : "ValidationError",
        Message: body.message,
        Item: body.Item,
      };
    }
    if (name !== "ConditionCheck") writes.push(...kept);
    return { Code: "None" };
  }
}

function checkActions(actions: readonly Action[], text: string): void {
  const items = new Set(actions.map(({ table, key }) => `${table}/${key}`));
  if (items.size < actions.length) {
    throw new Fault(
      "ValidationException",
      "Transaction request cannot include multiple operations on one item",
    );
  }
  const bytes = actions.reduce(
    (sum, { input }) => sum + (input.Item ? itemSize(input.Item as Row) : 0),
    0,
  );
  if (bytes > MAX_BYTES || text.length > 4 * MAX_BYTES) {
    throw new Fault("ValidationException", "Collection size of the transaction cannot exceed 4 MB");
  }
}

function keepingBack(store: RawStore, kept: Write[]): RawStore {
  return {
    ...store,
    getItemDb: (name) => wrap(store.getItemDb(name)),
    getIndexDb: (type, table, index) => wrap(store.getIndexDb(type, table, index)),
  };

  function wrap(database: ItemDb): ItemDb {
    return {
      ...database,
      get: (key, done) => database.get(key, done),
      // The transaction holds the lock already.
      lock: (_key, work) => work((done) => done),
      put(key, value, done) {
        kept.push({ database, entry: { type: "put", key, value } });
        done();
      },
      del(key, done) {
        kept.push({ database, entry: { type: "del", key } });
        done();
      },
    };
  }
}
